"""signalbook verify beside pyarrow reading the same traces.

A sweep of many strategies on made-up bars is recorded once. Then, in turns: the whole process `signalbook verify`, the
same with --deep, and pyarrow.parquet.read_table of every trace file in one warm process, page checksums included.

usage: verify.py [--strategies 1640] [--bars 16614] [--turns 5] [--program build/release/signalbook]
One JSON line a figure; times in milliseconds, cpu those of all cores. A ratio is pyarrow's median to verify's; on a busy
machine only that of cpu says something.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from side_by_side import emit


def make_inputs(work, bars, strategies):
    """About one bar in twenty is a change."""
    random = np.random.default_rng(20240327)
    close = 470 + random.normal(0, 0.2, bars).cumsum().round(2)
    ts = pa.array(1_704_205_800_000_000 + 300_000_000 * np.arange(bars), pa.timestamp("us", "UTC"))
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    pq.write_table(pa.table({"timestamp": ts} | prices), work / "bars.parquet")
    configs = [{"type": "sweep", "parameters": {"period": i}} for i in range(strategies)]
    (work / "strategies.json").write_text(json.dumps(configs))
    columns = {"idx": np.arange(bars)}
    for i in range(strategies):
        starts = np.sort(random.choice(bars, bars // 20, replace=False))
        values = random.integers(-1, 2, len(starts) + 1).astype(np.int8)
        columns[f"strategy_{i}"] = values[np.searchsorted(starts, np.arange(bars), side="right")]
    pq.write_table(pa.table(columns), work / "signals.parquet")


def cpu_seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def timed(call):
    """Milliseconds by the clock, and of the processor."""
    start, cpu = time.perf_counter(), cpu_seconds()
    call()
    return (time.perf_counter() - start) * 1e3, (cpu_seconds() - cpu) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", type=int, default=1_640)
    parser.add_argument("--bars", type=int, default=16_614)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--work", type=Path, default=Path("build"), help="a folder on the disk to measure")
    parser.add_argument("--program", type=lambda name: Path(name).resolve(), default="build/release/signalbook")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        work = Path(name)
        make_inputs(work, args.bars, args.strategies)
        feed = ["--bars", "bars.parquet", "--symbol", "SPY", "--timeframe", "5m"]
        given = ["--strategies", "strategies.json", "--signals", "signals.parquet"]
        record = [args.program, "record", "--quiet", "--run", "results/run_1"]
        subprocess.run([*record, *feed, *given], cwd=work, check=True)
        traces = sorted(work.glob("results/run_1/traces/**/*.parquet"))
        emit("traces", files=len(traces), bytes=sum(path.stat().st_size for path in traces))

        def read_with_pyarrow():
            for path in traces:
                pq.ParquetFile(path, page_checksum_verification=True).read()

        verify = [args.program, "verify", "--quiet", "results"]
        calls = {
            "verify": lambda: subprocess.run(verify, cwd=work, check=True),
            "verify --deep": lambda: subprocess.run([*verify, "--deep"], cwd=work, check=True),
            "pyarrow": read_with_pyarrow,
        }
        times = {name: [] for name in calls}
        for _ in range(args.turns):
            for name, call in calls.items():
                times[name].append(timed(call))
        medians = {name: [statistics.median(column) for column in zip(*found)] for name, found in times.items()}
        for name, (ms, cpu) in medians.items():
            slow_ms, slow_cpu = medians["pyarrow"]
            emit(name, ms=ms, min=min(times[name])[0], max=max(times[name])[0], cpu=cpu,
                 ratio=slow_ms / ms, cpu_ratio=slow_cpu / cpu)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
