"""A sweep that streams bar by bar over all strategies and dies, and what it costs to make a run of its journal.

Every row is a change: the worst case. Prints how fast rows are taken and how fast `recover` goes through the journal,
traces written and synced, each with the most memory that the process had.

usage: recover.py [--changes 10000000] [--strategies 1640] [--turns 3] [--program build/release/signalbook]
Medians of the turns, as a line of JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_A_BATCH = 200_000


def write_bars(path, count):
    close = np.full(count, 470.25)
    ts = pa.array(1_704_205_800_000_000 + 300_000_000 * np.arange(count), pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"timestamp": ts} | dict.fromkeys(("open", "high", "low", "close"), close)), path)


def send_rows(pipe, bars, strategies):
    """All rows and no end of the stream: its producer has died."""
    ids = pa.array([f"strategy_{i}" for i in range(strategies)])
    writer = None
    bars_a_batch = max(1, ROWS_A_BATCH // strategies)
    for first in range(0, bars, bars_a_batch):
        idx = np.arange(first, min(bars, first + bars_a_batch))
        batch = pa.record_batch(
            {
                "strategy_id": ids.take(np.tile(np.arange(strategies), len(idx))),
                "idx": np.repeat(idx, strategies),
                "val": (np.repeat(idx, strategies) % 3 - 1.0),
            }
        )
        writer = writer or pa.ipc.new_stream(pipe, batch.schema)
        writer.write_batch(batch)
    pipe.close()


def wait_for(process):
    """Exit status, and the most memory that it had, in MB."""
    _, status, usage = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024


def measure(program, work, bars, strategies, turn):
    # Runs stay until the end: ext4 is slow to create files where many were deleted seconds ago.
    run = work / "results" / f"run_{turn}"
    feed = ["--bars", "bars.parquet", "--symbol", "SPY", "--timeframe", "5m"]
    record = [program, "record", "--quiet", "--run", run, *feed, "--strategies", "strategies.json", "--signals", "-"]
    start = time.perf_counter()
    process = subprocess.Popen(record, cwd=work, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    send_rows(process.stdin, bars, strategies)
    code, record_mb = wait_for(process)
    figures = {"record_s": time.perf_counter() - start, "record_peak_mb": record_mb}
    assert code == 1, process.stderr.read()
    figures["journal_mb"] = sum(path.stat().st_size for path in run.glob(".journal/*.journal")) / 1e6
    start = time.perf_counter()
    code, figures["recover_peak_mb"] = wait_for(subprocess.Popen([program, "recover", run], stdout=subprocess.PIPE))
    figures["recover_s"] = time.perf_counter() - start
    assert code == 0
    figures["journal_mb_a_second"] = figures["journal_mb"] / figures["recover_s"]
    figures["traces_mb"] = sum(path.stat().st_size for path in run.rglob("*.parquet")) / 1e6
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=10_000_000)
    parser.add_argument("--strategies", type=int, default=1_640)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("build"), help="a folder on the disk to measure")
    parser.add_argument("--program", type=lambda name: Path(name).resolve(), default="build/release/signalbook")
    args = parser.parse_args()
    bars = args.changes // args.strategies
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        work = Path(name).resolve()
        write_bars(work / "bars.parquet", bars)
        configs = [{"type": "sweep", "parameters": {"period": i}} for i in range(args.strategies)]
        (work / "strategies.json").write_text(json.dumps(configs))
        turns = [measure(args.program, work, bars, args.strategies, turn) for turn in range(args.turns)]
    medians = {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
    print(json.dumps({"changes": bars * args.strategies, "strategies": args.strategies} | medians))
    return 0


if __name__ == "__main__":
    sys.exit(main())
