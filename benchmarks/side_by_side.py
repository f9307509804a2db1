"""What the scripts that compare `signalbook sql` with other engines share.

A query is timed in a fresh process, as `first_ms` (its first run there) and `ms` (the median of the runs after it); the
processes of all contestants take turns, and medians over the turns are printed, one JSON line a figure.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path


def peak_memory_mb():
    """Of this process alone: ru_maxrss would count that of the process it was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def time_here(query, runs):
    """In a fresh process: `runs` times query(), which returns the number of rows. Prints what bench_sql_time prints."""
    times, rows = [], 0
    for _ in range(runs):
        start = time.perf_counter()
        rows = query()
        times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps({"first_ms": times[0], "ms": times[1:], "rows": rows, "max_rss_mb": peak_memory_mb()}))


def compare(commands, turns, **labels):
    """Runs each command (name -> arguments, folder) once a turn and prints a line for each. One that fails is said so
    and left out of the turns after it. Returns the rows by name."""
    lines = {name: [] for name in commands}
    refused = {}
    for _ in range(turns):
        for name, (arguments, folder) in commands.items():
            if name in refused:
                continue
            done = subprocess.run(list(map(str, arguments)), cwd=folder, check=False, capture_output=True, text=True)
            if done.returncode == 0:
                lines[name].append(json.loads(done.stdout.splitlines()[-1]))
            else:
                refused[name] = done.stderr.strip().splitlines()[-1:]
    for name, reason in refused.items():
        emit(name, error=reason, **labels)
    rows = {}
    for name, got in lines.items():
        if name in refused:
            continue
        rows[name] = got[0]["rows"]
        emit(
            name,
            ms=statistics.median(value for line in got for value in line["ms"]),
            min_ms=min(value for line in got for value in line["ms"]),
            first_ms=statistics.median(line["first_ms"] for line in got),
            max_rss_mb=max(line["max_rss_mb"] for line in got),
            rows=rows[name],
            **labels,
        )
    return rows


def emit(figure, **values):
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in values.items()}
    print(json.dumps({"figure": figure, **rounded}), flush=True)


def again(*arguments):
    """The command that runs the calling script once more, as a contestant."""
    return [sys.executable, Path(sys.argv[0]).resolve(), *arguments]
