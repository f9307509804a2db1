"""Records a sweep of 1,640 Bollinger strategies from one Parquet file, beside pyarrow and beside the bare disk.

The three are run in turns, each on one core, and compared by their medians:
  signalbook  the whole program, from the start of the process to a finished, synced run with its index
  pyarrow     the same files (eight columns, snappy) from the same Parquet file, by numpy and pyarrow; nothing is synced
  raw         the bytes that signalbook wrote into as many files, and one sync

usage: record_sweep.py [--bars FILE.csv] [--bar-count N] [--repeat N] [--program build/release/signalbook]
Without --bars the prices are a seeded random walk. Needs numpy and pyarrow (.deps/venv has both).
"""

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

PERIODS, TENTHS = range(10, 51), range(5, 45)


def make_bars(path, count, bars_csv):
    """A CSV of `count` bars; returns closes and times (microseconds)."""
    if bars_csv:
        table = pyarrow.csv.read_csv(bars_csv).slice(0, count)
        pyarrow.csv.write_csv(table, path)
        times = pc.cast(table["timestamp"], pa.timestamp("us", tz="UTC"))
        return table["close"].to_numpy(), pc.cast(times, pa.int64()).to_numpy()
    rng = np.random.default_rng(1)
    close = np.round(470 * np.exp(np.cumsum(rng.normal(0, 0.001, count))), 2)
    times = 1_704_205_800_000_000 + np.arange(count) * 300_000_000
    columns = {"timestamp": pa.array(times, pa.timestamp("us", tz="UTC"))}
    columns |= {name: close + shift for name, shift in [("open", 0), ("high", 0.1), ("low", -0.1), ("close", 0)]}
    pyarrow.csv.write_csv(pa.table(columns | {"volume": np.full(count, 1000)}), path)
    return close, times


def sweep(close):
    """Mean reversion at Bollinger bands, a column a strategy: exact integers, so every machine gets the same bits."""
    cents = np.round(close * 10_000).astype(np.int64)
    cents -= cents[0]
    total, square = np.concatenate([[0], np.cumsum(cents)]), np.concatenate([[0], np.cumsum(cents * cents)])
    widths = np.array(list(TENTHS), dtype=np.int64)
    signals = np.zeros((len(cents), len(PERIODS) * len(widths)), dtype=np.int8)
    for p, n in enumerate(PERIODS):
        s, q = total[n:] - total[:-n], square[n:] - square[:-n]
        distance = cents[n - 1 :] * n - s
        outside = (10 * distance[:, None]) ** 2 > widths[None, :] ** 2 * (n * q - s * s)[:, None]
        state = np.zeros(len(widths), dtype=np.int8)
        block = signals[n - 1 :, p * len(widths) : (p + 1) * len(widths)]
        for i, side in enumerate(np.sign(distance).astype(np.int8)):
            held = np.where((state != 0) & (state * side >= 0), 0, state)
            state = np.where(outside[i], -side, held).astype(np.int8)
            block[i] = state
    return signals


def write_with_pyarrow(folder, signals_path, close, times, configs):
    """What a careful researcher writes by hand: a file a strategy, its changes in eight columns."""
    folder.mkdir(parents=True)
    utc = pa.timestamp("us", tz="UTC")
    for i, (name, column) in enumerate(zip(configs, pq.read_table(signals_path).columns, strict=True)):
        values = column.to_numpy()
        idx = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
        config = json.dumps(configs[name])
        metadata = np.full(idx.size, None, dtype=object)
        metadata[0] = config
        table = pa.table(
            {
                "idx": idx,
                "ts": pa.array(times[idx], utc),
                "sym": pa.array(["SPY"] * idx.size),
                "val": values[idx].astype(np.float64),
                "strat": pa.array([name] * idx.size),
                "px": close[idx],
                "strategy_hash": pa.array([f"{i:012x}"] * idx.size),
                "metadata": pa.array(metadata, pa.string()),
            }
        )
        pq.write_table(table.replace_schema_metadata({"strategy_config": config}), folder / f"{name}.parquet")


def write_raw(folder, contents):
    """The bare disk: open, write, close, and one sync for all."""
    folder.mkdir(parents=True)
    for i, content in enumerate(contents):
        file = os.open(folder / str(i), os.O_WRONLY | os.O_CREAT)
        os.write(file, content)
        os.close(file)
    directory = os.open(folder, os.O_RDONLY)
    ctypes.CDLL(None).syncfs(directory)
    os.close(directory)


def timed(function, *args):
    os.sync()  # what came before is not this one's to flush
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def peak_memory_mb(command):
    """Asked of a small process in between: a child begins with the memory of the one that forks it."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, command)], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=Path)
    parser.add_argument("--bar-count", type=int, default=16_614)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path("build"), help="a folder on the disk to measure")
    parser.add_argument("--program", type=Path, default=Path("build/release/signalbook"))
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, for children too
    with tempfile.TemporaryDirectory(dir=args.work) as name:
        work = Path(name)
        close, times = make_bars(work / "bars.csv", args.bar_count, args.bars)
        signals = sweep(close)
        configs = {
            f"strategy_{i}": {"type": "bollinger_bands", "parameters": {"period": p, "std_dev": t / 10}}
            for i, (p, t) in enumerate((p, t) for p in PERIODS for t in TENTHS)
        }
        pq.write_table(pa.table(dict(zip(configs, signals.T, strict=True))), work / "signals.parquet")
        (work / "strategies.json").write_text(json.dumps(list(configs.values())))
        command = [args.program.resolve(), "record", "--quiet", "--run", work / "results/run_1", "--symbol", "SPY"]
        command += ["--timeframe", "5m", "--bars", work / "bars.csv"]
        command += ["--strategies", work / "strategies.json", "--signals", work / "signals.parquet"]

        seconds = {"signalbook": [], "pyarrow": [], "raw": []}
        for _ in range(args.repeat):
            shutil.rmtree(work / "results", ignore_errors=True)
            seconds["signalbook"].append(timed(lambda: subprocess.run(command, check=True)))
            files = list((work / "results/run_1/traces").rglob("*.parquet"))
            contents = [file.read_bytes() for file in files]
            seconds["raw"].append(timed(write_raw, work / "raw", contents))
            seconds["pyarrow"].append(
                timed(write_with_pyarrow, work / "pyarrow", work / "signals.parquet", close, times, configs)
            )
            bytes_of_pyarrow = sum(file.stat().st_size for file in (work / "pyarrow").iterdir())
            for folder in ("raw", "pyarrow"):
                shutil.rmtree(work / folder)
        shutil.rmtree(work / "results")
        peak = peak_memory_mb(command)
        changes = sum(pq.read_metadata(file).num_rows for file in files)
        written = sum(map(len, contents))
    print(f"{signals.shape[1]:,} strategies x {signals.shape[0]:,} bars, {changes:,} changes, {len(files):,} files")
    median = {name: statistics.median(values) for name, values in seconds.items()}
    sizes = {"signalbook": written, "pyarrow": bytes_of_pyarrow, "raw": written}
    print(f"{'':12}{'median':>9}{'min':>9}{'max':>9}{'ratio':>8}{'bytes':>14}")
    for name, values in seconds.items():
        ratio = median[name] / median["signalbook"]
        print(f"{name:12}{median[name]:9.3f}{min(values):9.3f}{max(values):9.3f}{ratio:8.2f}{sizes[name]:14,}")
    print(f"peak memory of signalbook: {peak:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
