"""One strategy among a million, by its type and two parameters, beside DuckDB and polars.

The index is that of bench_index, in a run of a store. The other engines are asked about the same file, and about the
one that is given, which others wrote (its rows in no order; the parameters named param_*).

usage: lookup.py [--rows 1000000] [--given FILE.parquet] [--turns 7] [--bench build/bench]
                 [--program build/release/signalbook]
Needs duckdb and polars. One JSON line a figure; times in milliseconds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import again, compare, emit, time_here

COLUMNS = ["strategy_id", "strategy_hash", "trace_path", "sharpe_ratio"]
WHERE = "strategy_type = 'bollinger_bands' AND {0}period = 20 AND {0}std_dev = 2.0"
# Memory is asked of a small process in between: a child begins with that of the one that forks it.
MEMORY = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"""


def ask_peer(peer, path):
    """A function that asks and returns the number of rows."""
    if peer == "duckdb":
        import duckdb

        database = duckdb.connect()
        sql = f"SELECT {', '.join(COLUMNS)} FROM '{path}' WHERE {WHERE.format('param_')}"
        return lambda: len(database.execute(sql).fetchall())
    import polars as pl

    wanted = (
        (pl.col("strategy_type") == "bollinger_bands")
        & (pl.col("param_period") == 20)
        & (pl.col("param_std_dev") == 2.0)
    )
    return lambda: pl.scan_parquet(path).filter(wanted).select(COLUMNS).collect().height


def main():
    if sys.argv[1:2] == ["--peer"]:
        return time_here(ask_peer(*sys.argv[2:4]), int(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--given", type=lambda name: Path(name).resolve())
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=8, help="of the statement in a process, the first included")
    parser.add_argument("--work", type=Path, default=Path("build"), help="a folder on the disk to measure")
    parser.add_argument("--bench", type=Path, default=Path("build/bench"))
    parser.add_argument("--program", type=lambda name: Path(name).resolve(), default="build/release/signalbook")
    args = parser.parse_args()
    bench = args.bench.resolve()
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        store = Path(name).resolve() / "results"
        made = subprocess.run(
            [bench / "bench_index", store, "--rows", str(args.rows)], check=True, capture_output=True, text=True
        )
        emit("index", **json.loads(made.stdout))
        run = store / "run_0000"
        statement = f"SELECT {', '.join(COLUMNS)} FROM strategies WHERE {WHERE.format('')}"
        contestants = {"signalbook": ([bench / "bench_sql_time", ".", args.repeat, statement], run)}
        for peer in ("duckdb", "polars"):
            contestants[peer] = (again("--peer", peer, run / "strategy_index.parquet", args.repeat), run)
            if args.given:
                contestants[f"{peer}, the given file"] = (again("--peer", peer, args.given, args.repeat), run)
        rows = compare(contestants, args.turns, rows_in_all=args.rows)
        if len({count for who, count in rows.items() if "given" not in who}) != 1:
            raise SystemExit(f"the answers differ: {rows}")

        command = [args.program, "sql", "--quiet", "--format", "csv", statement]
        times = []
        for _ in range(args.turns):
            start = time.perf_counter()
            subprocess.run(command, cwd=run, check=True, stdout=subprocess.DEVNULL)
            times.append((time.perf_counter() - start) * 1e3)
        memory = subprocess.run(
            [sys.executable, "-c", MEMORY, *map(str, command)], cwd=run, check=True, capture_output=True, text=True
        )
        emit(
            "signalbook, the whole process",
            ms=statistics.median(times),
            min=min(times),
            max=max(times),
            max_rss_mb=float(memory.stdout),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
