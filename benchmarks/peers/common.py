"""What every peer's file shares: the workloads, as arrays, and the line of figures.

    PYTHON benchmarks/peers/with_NAME.py TASK WORKLOAD OUT [STORE]

A task is a function (workload, out, store) that returns what report() is given. WORKLOAD is a folder of workloads.py,
OUT a new folder to write to, STORE what an earlier task wrote. Needs numpy alone.
"""

import hashlib
import inspect
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np


class Workload:
    """A folder of workloads.py; arrays are read when they are asked for."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __getattr__(self, name):  # closes, timestamps, signals, idx, val
        value = np.load(self.folder / f"{name}.npy")
        setattr(self, name, value)
        return value

    def lines(self, name):
        return (self.folder / name).read_text().splitlines()

    @property
    def configs(self):
        return self.lines("configs.jsonl")

    @property
    def hashes(self):
        return self.lines("hashes.txt")

    def names(self, count):
        return [f"strategy_{n}" for n in range(count)]


def change_mask(signals):
    """True where a strategy's signal differs from the bar before; its first bar counts."""
    mask = np.ones(signals.shape, dtype=bool)
    np.not_equal(signals[1:], signals[:-1], out=mask[1:])
    return mask


def dense_of(traces, bars, hashes):
    """The matrix [bars, strategies] of (hash, idx, val) in any order."""
    place = {digest: n for n, digest in enumerate(hashes)}
    by_strategy = np.zeros((len(hashes), bars), dtype=np.int8)
    for digest, idx, val in traces:
        lengths = np.diff(idx, append=bars)
        by_strategy[place[digest], idx[0] :] = np.repeat(val, lengths)
    return np.ascontiguousarray(by_strategy.T)


def index_of(store):
    """The one of a run, or the flat one that was made of it."""
    return next(path for path in sorted(store.rglob("*index.parquet")) if path.is_file())


def timed(work, *arguments):
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result


def digest_of(dense):
    return {"sha256": hashlib.sha256(np.ascontiguousarray(dense, dtype=np.int8).tobytes()).hexdigest()}


def read_dense(work):
    """Figures of a task that reads a dense matrix back."""
    seconds, dense = timed(work)
    return {"seconds": seconds, "answer": digest_of(dense)}


def written(work, changes, strategies):
    """Figures of a task that stores traces."""
    seconds, _ = timed(work)
    return {"seconds": seconds, "answer": {"changes": int(changes), "strategies": strategies}}


def by_hash(ask, hashes):
    """Figures of a task that looks up one trace after the other: ask(hash) returns the bars of its changes."""
    times, rows, idx_sum = [], 0, 0
    first = None
    for digest in hashes:
        seconds, idx = timed(ask, digest)
        first = first or time.monotonic() - float(os.environ["BENCHMARK_STARTED"])
        times.append(seconds)
        rows += len(idx)
        idx_sum += int(np.sum(idx))
    warm = times[1:] or times
    return {"seconds": statistics.median(warm), "min_seconds": min(warm), "first_seconds": first,
            "answer": {"rows": rows, "idx_sum": idx_sum}}  # fmt: skip


def again(ask, runs=6):
    """Figures of a task that asks the same several times; ask() returns the answer. The median leaves the first out."""
    times = []
    first = None
    for _ in range(runs):
        seconds, answer = timed(ask)
        first = first or time.monotonic() - float(os.environ["BENCHMARK_STARTED"])
        times.append(seconds)
    return {"seconds": statistics.median(times[1:]), "min_seconds": min(times[1:]), "first_seconds": first,
            "answer": answer}  # fmt: skip


def peak_mb():
    """Of this process alone; ru_maxrss begins with the memory of the one that started it."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def main(*modules):
    """Runs the task that the command line names and prints its figures, with the versions of the modules."""
    task, workload, out, *store = sys.argv[1:]
    function = dict(inspect.getmembers(sys.modules["__main__"], inspect.isfunction))[task]
    figures = function(Workload(workload), Path(out), Path(store[0]) if store else None)
    from importlib.metadata import version

    versions = {module: version(module) for module in modules}
    print(json.dumps({"peak_mb": peak_mb(), "versions": versions} | figures))
