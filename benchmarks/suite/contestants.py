"""Who takes part in a task, and how each is measured."""

import json
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from suite.measure import Failed, disk_use, take_json, take_process
from suite.venvs import python_of

PEERS = Path(__file__).resolve().parents[1] / "peers"


@dataclass
class Context:
    """Where things are."""

    programs: Path  # of the build: signalbook, bench_*
    work: Path
    venvs: Path
    scale: str
    layouts: list = field(default_factory=list)
    figures_of: Callable = None  # (task, contestant) -> the figures of its latest turn

    def workload(self, name):
        return self.work / "workloads" / name

    def outcomes(self, task, contestant):
        folder = self.work / "outcomes" / task / slug(contestant)
        return sorted(folder.glob("*"), key=lambda path: int(path.name)) if folder.exists() else []

    def latest(self, task, contestant):
        found = self.outcomes(task, contestant)
        if not found:
            raise Failed(f"needs what {contestant!r} writes in {task}")
        return found[-1]

    def program(self, name):
        return self.programs / name

    def ask(self, *arguments, cwd=None):
        """Output of signalbook, not measured."""
        done = subprocess.run(
            list(map(str, [self.program("signalbook"), *arguments])),
            cwd=cwd, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return done.stdout


def slug(name):
    return "".join(letter if letter.isalnum() else "-" for letter in name)


@dataclass
class Contestant:
    name: str
    measure: Callable  # (context, out) -> figures; `out` is a folder that does not exist yet
    peer: str = ""  # the environment it needs; ours has none
    needs: tuple = ()  # (task, contestant) whose outcome it reads
    slow: bool = False  # minutes: only where asked for
    turns: int = 0  # at the most; 0: no limit


@dataclass
class Task:
    name: str
    title: str
    contestants: list
    base: str  # the contestant to whom the others are related
    workloads: tuple = ()
    expected: Callable = None  # (context) -> the answer that all must give; else they must agree
    note: str = ""
    is_stored: bool = False  # bytes a change and a strategy belong to it
    unit: str = "ms"


def peer(name, venv, task, workload, store=None, *, writes=False, file=None, **more):
    """A function of benchmarks/peers/with_<file>.py."""

    def measure(context, out):
        python = python_of(context.venvs, venv) if venv else python_of(context.venvs, "pyarrow")
        command = [python, PEERS / f"with_{file or venv}.py", task, context.workload(workload), out]
        if store:
            command.append(context.latest(*store))
        if writes:
            out.mkdir(parents=True)
        figures = take_json(command, sync=writes)
        return figures | (disk_use(out) if writes else {})

    return Contestant(name, measure, peer=venv, needs=(store,) if store else (), **more)


def run_use(run):
    """Bytes of a run: all of them, and those of the traces alone; the bars, which runs share, are left out."""
    traces = disk_use(run / "traces")
    return {"bytes": disk_use(run)["bytes"], "files": traces["files"], "trace_bytes": traces["bytes"]}


def program(name, arguments, *, writes=False, cwd=None, **more):
    """One of ours that measures itself. `arguments` makes the command of (context, out)."""

    def measure(context, out):
        executable, *rest = arguments(context, out)
        if writes:
            out.mkdir(parents=True)
        where = cwd(context) if cwd else None
        figures = take_json([context.program(executable), *rest], sync=writes, cwd=where)
        return figures | (run_use(out / "results/run_1") if writes else {})

    return Contestant(name, measure, **more)


def command(name, arguments, *, answer=None, writes=False, before=None, after=None, is_lookup=False, **more):
    """`signalbook` as a process. `before` is not measured; `after` makes the answer. A lookup is its own first one."""

    def measure(context, out):
        if writes:
            out.mkdir(parents=True)
        if before:
            before(context)
        figures = take_process([context.program("signalbook"), *arguments(context, out)], answer, sync=writes)
        if is_lookup:
            figures["first_seconds"] = figures["seconds"]
        if after:
            figures["answer"] = after(context, out)
        return figures | (run_use(out / "results/run_1") if writes else {})

    return Contestant(name, measure, **more)


def statement(name, where, make_statements, runs=6, **more):
    """SQL in a warm process: the statements in turn, `runs` times in all. `where(context)` is the folder."""

    def measure(context, _):
        statements = make_statements(context)
        executable = context.program("bench_sql_time")
        got = take_json([executable, where(context), max(runs, len(statements)), *statements])
        return got | {
            "seconds": statistics.median(got["ms"]) / 1e3,
            "min_seconds": min(got["ms"]) / 1e3,
            "first_seconds": (got["open_ms"] + got["first_ms"]) / 1e3,
            "answer": {"rows": got["rows"]} | ({"value": got["value"]} if "value" in got else {}),
        }

    return Contestant(name, measure, **more)


def google(name, executable, figure, arguments=lambda _: [], **more):
    """A Google Benchmark of ours."""

    def measure(context, _):
        wanted = [f"--benchmark_filter=^{figure}$", "--benchmark_format=json"]
        from suite.measure import run

        output, figures = run([context.program(executable), *arguments(context), *wanted])
        line = json.loads(output)["benchmarks"][0]
        if line.get("error_occurred"):
            raise Failed(line["error_message"])
        scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}[line["time_unit"]]
        return figures | {"seconds": line["real_time"] * scale, "processor_seconds": line["cpu_time"] * scale}

    return Contestant(name, measure, **more)


def rows_of_csv(output):
    return {"rows": max(0, len(output.splitlines()) - 1)}
