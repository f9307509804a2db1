"""The traces of chosen strategies by a lateral read_parquet(t.trace_path), beside DuckDB's read_parquet([list]).

A store is recorded with `signalbook record` in layout files: 10,000 strategies of 60 changes each, unless told
otherwise. Then the rows of 20, 1,000 and 10,000 of its traces are read, in turns, and compared row by row.

usage: lateral.py [--traces 20 1000 10000] [--changes 60] [--turns 5] [--bench build/bench]
                  [--program build/release/signalbook]
Needs duckdb, numpy and pyarrow. One JSON line a figure; times in milliseconds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from side_by_side import again, compare, emit, time_here

BARS = 16_614
COLUMNS = "idx, ts, sym, val, strat, px, strategy_hash, metadata"


def make_input(folder, strategies, changes):
    """bars.csv-like Parquet, and the changes of all strategies as long signals, each with its configuration."""
    rng = np.random.default_rng(1)
    close = np.round(470 * np.exp(np.cumsum(rng.normal(0, 0.001, BARS))), 2)
    times = pa.array(1_704_205_800_000_000 + np.arange(BARS) * 300_000_000, pa.timestamp("us", tz="UTC"))
    prices = {"open": close, "high": close + 0.1, "low": close - 0.1, "close": close}
    pq.write_table(pa.table({"timestamp": times} | prices), folder / "bars.parquet")

    idx = np.stack([np.sort(rng.choice(BARS, changes, replace=False)) for _ in range(strategies)])
    val = np.cumsum(rng.integers(1, 3, idx.shape), axis=1) % 3 - 1  # one or two steps on: never the same again
    config = np.full(idx.shape, None, dtype=object)
    config[:, 0] = [
        json.dumps({"type": "bollinger_bands", "parameters": {"period": 5 + n % 200, "std_dev": 0.5 + n // 200 / 100}})
        for n in range(strategies)
    ]
    signals = {
        "strategy_id": np.repeat([f"strategy_{n}" for n in range(strategies)], changes),
        "idx": idx.ravel(),
        "val": val.ravel().astype(np.float64),
        "config": pa.array(config.ravel(), pa.string()),
    }
    pq.write_table(pa.table(signals), folder / "signals.parquet")


def lateral(count):
    """As people write it; the index is in the order of trace_id."""
    return f"""WITH chosen AS (SELECT trace_path FROM strategy_index.parquet WHERE trace_id < {count})
               SELECT {COLUMNS} FROM chosen t CROSS JOIN read_parquet(t.trace_path)"""


def listed(run, count):
    """What has to be written without it: the paths by hand."""
    paths = pq.read_table(run / "strategy_index.parquet", columns=["trace_id", "trace_path"]).slice(0, count)
    return [str(run / path) for path in paths["trace_path"].to_pylist()]


def ask_duckdb(run, count):
    import duckdb

    database = duckdb.connect()
    sql = f"SELECT {COLUMNS} FROM read_parquet({listed(run, count)}, hive_partitioning = false)"
    return lambda: sum(batch.num_rows for batch in database.execute(sql).to_arrow_reader())


def check_rows(program, run, count):
    """Both answers have the same rows, as often."""
    import duckdb

    ours = run.parent / f"lateral_{count}.parquet"
    with ours.open("wb") as out:
        subprocess.run(
            [program, "sql", "--quiet", "--format", "parquet", lateral(count)], cwd=run, check=True, stdout=out
        )
    database = duckdb.connect()
    theirs = f"SELECT {COLUMNS} FROM read_parquet({listed(run, count)}, hive_partitioning = false)"
    mine = f"SELECT {COLUMNS} FROM '{ours}'"
    rows = database.execute(f"SELECT count(*) FROM ({mine})").fetchone()[0]
    for one, other in ((mine, theirs), (theirs, mine)):
        surplus = database.execute(f"SELECT count(*) FROM (({one}) EXCEPT ALL ({other}))").fetchone()[0]
        if surplus:
            raise SystemExit(f"{count} traces: {surplus} rows are in one answer only")
    ours.unlink()
    emit("answers", traces=count, rows=rows, equal=True)


def main():
    if sys.argv[1:2] == ["--peer"]:
        return time_here(ask_duckdb(Path(sys.argv[2]), int(sys.argv[3])), int(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, nargs="+", default=[20, 1_000, 10_000])
    parser.add_argument("--changes", type=int, default=60, help="of each strategy")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=4, help="of the statement in a process, the first included")
    parser.add_argument("--work", type=Path, default=Path("build"), help="a folder on the disk to measure")
    parser.add_argument("--bench", type=Path, default=Path("build/bench"))
    parser.add_argument("--program", type=lambda name: Path(name).resolve(), default="build/release/signalbook")
    args = parser.parse_args()
    bench = args.bench.resolve()
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        work = Path(name).resolve()
        make_input(work, max(args.traces), args.changes)
        run = work / "results/run_1"
        command = [args.program, "record", "--quiet", "--run", run, "--layout", "files", "--symbol", "SPY"]
        command += ["--timeframe", "5m", "--bars", work / "bars.parquet", "--signals", work / "signals.parquet"]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        files = list((run / "traces").rglob("*.parquet"))
        size = sum(path.stat().st_size for path in files)
        emit("recorded", traces=len(files), changes=args.changes, s=time.perf_counter() - start, bytes=size)
        for count in args.traces:
            check_rows(args.program, run, count)
            compare(
                {
                    "signalbook lateral": ([bench / "bench_sql_time", ".", args.repeat, lateral(count)], run),
                    "duckdb list": (again("--peer", run, count, args.repeat), run),
                },
                args.turns,
                traces=count,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
