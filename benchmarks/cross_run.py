"""Which strategies occur in more than one run? Asked over many runs, beside DuckDB and polars over the same files.

The statement is asked of `signalbook sql` above the store, through the catalogue, and of its view hash_history. Then
the catalogue itself: made anew, and brought up to date after one run was added. Answers must be equal.

usage: cross_run.py [--runs 1000] [--rows 1000] [--given FOLDER] [--turns 5] [--bench build/bench]
                    [--program build/release/signalbook] [--refresh "catalog refresh"]
The runs are those of bench_index, or a copy of FOLDER, which holds results/*/strategy_index.parquet. Needs duckdb and
polars. One JSON line a figure; times in milliseconds.
"""

import argparse
import csv
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import again, compare, emit, time_here

GLOB = "results/*/strategy_index.parquet"
COUNTED = f"""SELECT strategy_hash, COUNT(*) as run_count FROM '{GLOB}'
              GROUP BY strategy_hash HAVING run_count > 1"""
KNOWN = "SELECT strategy_hash, runs AS run_count FROM hash_history WHERE runs > 1"


def ask_peer(peer):
    """The rows of the answer, in the current folder."""
    if peer == "duckdb":
        import duckdb

        database = duckdb.connect()
        return lambda: database.execute(COUNTED).fetchall()
    import polars as pl

    other_columns = {"extra_columns": "ignore", "missing_columns": "insert"}  # a run added later may have others
    return lambda: (
        pl.scan_parquet(GLOB, **other_columns)
        .group_by("strategy_hash")
        .len()
        .filter(pl.col("len") > 1)
        .collect()
        .rows()
    )


def run(command, folder):
    """What the command prints; the script ends where it fails."""
    done = subprocess.run(list(map(str, command)), cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def timed(command, folder):
    start = time.perf_counter()
    run(command, folder)
    return (time.perf_counter() - start) * 1e3


def answer(program, folder, sql):
    """What the program answers: hash -> runs."""
    printed = run([program, "sql", "--format", "csv", "--quiet", sql], folder)
    return {row["strategy_hash"]: int(row["run_count"]) for row in csv.DictReader(printed.splitlines())}


def check_answers(args, work, figure):
    """Everybody's answer to the question; they must be one."""
    here = Path.cwd()
    os.chdir(work)
    expected = dict(ask_peer("duckdb")())
    answers = {"polars": dict(ask_peer("polars")())}
    os.chdir(here)
    answers |= {
        "signalbook sql": answer(args.program, work, COUNTED),
        "hash_history": answer(args.program, work, KNOWN),
    }
    for name, got in answers.items():
        if got != expected:
            raise SystemExit(f"{figure}: {name} and duckdb differ: {len(got)} and {len(expected)} hashes")
    emit(figure, hashes=len(expected), equal=sorted(answers))


def main():
    if sys.argv[1:2] == ["--peer"]:
        ask = ask_peer(sys.argv[2])
        return time_here(lambda: len(ask()), int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=1_000, help="of each run")
    parser.add_argument("--given", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=6, help="of the statement in a process, the first included")
    parser.add_argument("--work", type=Path, default=Path("build"), help="a folder on the disk to measure")
    parser.add_argument("--bench", type=Path, default=Path("build/bench"))
    parser.add_argument("--program", type=lambda name: Path(name).resolve(), default="build/release/signalbook")
    parser.add_argument("--refresh", default="catalog refresh", help="the command that brings the catalogue up to date")
    args = parser.parse_args()
    bench = args.bench.resolve()
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        work = Path(name).resolve()
        store = work / "results"
        if args.given:
            shutil.copytree(args.given / "results", store)
            args.runs = 0  # bench_index makes a store of it, and no more
        run([bench / "bench_index", store, "--runs", args.runs, "--rows", args.rows], work)
        runs = len(list(work.glob(GLOB)))
        emit("store", runs=runs, index_bytes=sum(path.stat().st_size for path in work.glob(GLOB)))

        refresh = [args.program, *shlex.split(args.refresh), "--store", store]
        if args.refresh:
            times = []
            for _ in range(args.turns):
                shutil.rmtree(store / ".signalbook/catalog", ignore_errors=True)
                times.append(timed(refresh, work))
            catalog = store / ".signalbook/catalog"
            size = sum(path.stat().st_size for path in catalog.rglob("*") if path.is_file())
            emit("catalogue made anew", ms=statistics.median(times), min=min(times), max=max(times), bytes=size)

        check_answers(args, work, "answers")
        rows = compare(
            {
                "duckdb": (again("--peer", "duckdb", args.repeat), work),
                "polars": (again("--peer", "polars", args.repeat), work),
                "signalbook": ([bench / "bench_sql_time", ".", args.repeat, COUNTED], work),
                "signalbook hash_history": ([bench / "bench_sql_time", ".", args.repeat, KNOWN], work),
            },
            args.turns,
            runs=runs,
        )
        if len(set(rows.values())) != 1:
            raise SystemExit(f"the answers differ: {rows}")
        times = [timed([args.program, "sql", "--quiet", "--format", "csv", COUNTED], work) for _ in range(args.turns)]
        emit("signalbook, the whole process", ms=statistics.median(times), min=min(times), max=max(times))

        if args.refresh:
            times = []
            for turn in range(args.turns):
                added = ["--runs", 1, "--rows", args.rows, "--first-run", runs + turn]
                run([bench / "bench_index", store, *added], work)
                times.append(timed(refresh, work))
            emit("catalogue after one more run", ms=statistics.median(times), min=min(times), max=max(times))
            check_answers(args, work, "answers after that")
    return 0


if __name__ == "__main__":
    sys.exit(main())
