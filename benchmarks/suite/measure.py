"""One measurement: a command in a fresh process, and what the machine was doing meanwhile.

This process imports nothing large, because the memory of a command, as the system counts it, begins with that of the
process that started it.
"""

import json
import os
import platform
import subprocess
import time
from pathlib import Path


class Failed(Exception):
    """A contestant ended with an error; its last words."""


def run(command, cwd=None, sync=False):
    """Standard output, seconds by the clock and of the processor, peak memory in MB, and the load before it began."""
    if sync:
        os.sync()  # what came before is not this one's to flush
    load = os.getloadavg()[0]
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SIGNALBOOK_STORE")}
    clean |= {"BENCHMARK_STARTED": repr(time.monotonic()), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), cwd=cwd, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    output, errors = read_both(process)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        words = errors.strip().splitlines()[-3:] or [f"exit status {process.returncode}"]
        raise Failed(" / ".join(words))
    return output, {
        "process_seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "load": load,
    }


def read_both(process):
    """Both streams to their ends, without waiting for the process: wait4 tells more than communicate() does."""
    import threading

    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    output = process.stdout.read()
    reader.join()
    return output, errors[0]


def take_json(command, **options):
    """Of a contestant that measures itself: its last line is JSON with `seconds`. What it says of its memory counts."""
    output, figures = run(command, **options)
    return figures | json.loads(output.splitlines()[-1])


def take_process(command, answer=None, **options):
    """Of a command from its start to its end; `answer` makes what is compared of its output."""
    output, figures = run(command, **options)
    figures["seconds"] = figures["process_seconds"]
    if answer:
        figures["answer"] = answer(output)
    return figures


def disk_use(path):
    """Bytes, as lengths of files, and their number."""
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
    return {"bytes": sum(file.stat().st_size for file in files), "files": len(files)}


def machine(folder):
    """What figures depend on, without the name of the machine. `folder` is on the disk that is measured."""
    processor = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    place = str(folder.resolve())
    inside = [mount for mount in mounts if (place + "/").startswith(mount[1].rstrip("/") + "/")]
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 2**20),
        "kernel": platform.release(),
        "file_system": max(inside, key=lambda mount: len(mount[1]))[2],
        "python": platform.python_version(),
    }
