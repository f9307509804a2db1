"""Tables of what was measured, for docs/benchmarks.md, and the figures that were asked for."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from suite.venvs import python_of

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- measured: {} -->", "<!-- end -->"


@dataclass
class Target:
    """What was asked for. `measured` is of (results, context) and None where it was not measured."""

    what: str
    asked: float  # at the most, or at the least
    unit: str
    measured: Callable
    at_least: bool = False


def seconds(task, contestant, figure="seconds", factor=1.0):
    def measured(results, _):
        value = results.median(task, contestant, figure)
        return None if value is None else value * factor

    return measured


def ratio(task, one, other):
    """How many times as long one takes."""

    def measured(results, _):
        a, b = results.median(*task_of(task, one)), results.median(*task_of(task, other))
        return a / b if a and b else None

    return measured


def task_of(task, contestant):
    return (task, contestant) if isinstance(contestant, str) else contestant


def bytes_of(task, contestant, figure="trace_bytes", a_change=False):
    def measured(results, context):
        value = results.median(task, contestant, figure)
        if value is None:
            return None
        return value / done(context, "g1640")["changes"] if a_change else value / 1e6

    return measured


def done(context, workload):
    return json.loads((context.workload(workload) / "done.json").read_text())


PACKED, FILES = "signalbook, packed", "signalbook, files"
COMMAND = "signalbook record, packed (process)"
MILLION = "signalbook record, analyze (processes)"
OLD_RECORDER = 19.4  # seconds for G1640, measured once; its source is not here

TARGETS = [
    Target("X100k, a pack: MB, index aside", 16, "MB", bytes_of("store-x100k", PACKED)),
    Target("X100k, a pack: files", 10, "", lambda r, _: r.median("store-x100k", PACKED, "files")),
    Target("X100k to a pack, durable", 3, "s", seconds("store-x100k", PACKED)),
    Target("X100k, one trace by hash, warm, C++", 1, "ms", seconds("trace-x100k", "signalbook, C++", factor=1e3)),
    Target("X100k, one trace by hash, cold command", 100, "ms",
           seconds("trace-x100k", "signalbook trace HASH (process)", factor=1e3)),
    Target("X100k, 1,000 hashes by read_parquet(t.trace_path)", 150, "ms",
           seconds("join-x100k", "signalbook, read_parquet(t.trace_path)", factor=1e3)),
    Target("X100k, one hash from the view traces", 20, "ms", seconds("trace-x100k", "signalbook, SQL", factor=1e3)),
    Target("X100k, 1,000 hashes from the view traces", 100, "ms",
           seconds("join-x100k", "signalbook, view traces", factor=1e3)),
    Target("X100k, count(*) of the view traces to counting the pack", 2, "times",
           ratio("count-x100k", "signalbook, view traces", "DuckDB, counting our pack")),
    Target("X100k, all metrics, two cores", 2, "s", seconds("metrics-x100k", "signalbook analyze, packed (process)")),
    Target("the same, memory", 500, "MB", seconds("metrics-x100k", "signalbook analyze, packed (process)", "peak_mb")),
    Target("G1640 from a pack into a dense matrix, to zarr's read", 3, "times",
           ratio("read-g1640", PACKED, "zarr, dense")),
    Target("a million strategies recorded, committed, analysed", 120, "s", seconds("store-i1m", MILLION)),
    Target("the same, memory", 1_000, "MB", seconds("store-i1m", MILLION, "peak_mb")),
    Target("of a million: list --param", 100, "ms", seconds("find-param-i1m", "signalbook list (process)", factor=1e3)),
    Target("of a million: list --best", 100, "ms", seconds("find-best-i1m", "signalbook list (process)", factor=1e3)),
    Target("of a million: show HASH", 100, "ms", seconds("find-hash-i1m", "signalbook show (process)", factor=1e3)),
    Target("G1640 to a pack, to the old recorder (19.4 s, elsewhere)", 100, "times",
           lambda r, _: OLD_RECORDER / r.median("store-g1640", PACKED) if r.median("store-g1640", PACKED) else None,
           at_least=True),
    Target("G1640 to a pack, to zarr's dump", 3, "times", ratio("store-g1640", PACKED, "zarr, dense")),
    Target("G1640 to files, tuned pyarrow to it", 4, "times",
           ratio("store-g1640", "pyarrow, tuned, a file a strategy", FILES), at_least=True),
    Target("G1640, a pack: bytes a change", 0.75, "bytes", bytes_of("store-g1640", PACKED, a_change=True)),
    Target("event by event, million a second on one core", 20, "",
           seconds("record", "signalbook, an event a call", "events_a_second", 1e-6), at_least=True),
]  # fmt: skip


def three_digits(value):
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 4)}f}"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def targets_table(results, context):
    rows = []
    for target in TARGETS:
        value = target.measured(results, context)
        bound = "at least" if target.at_least else "at most"
        asked = f"{bound} {target.asked:,g} {target.unit}".strip()
        if value is None:
            rows.append([target.what, asked, "", "not measured"])
            continue
        is_met = value >= target.asked if target.at_least else value <= target.asked
        rows.append(
            [target.what, asked, f"{three_digits(value)} {target.unit}".strip(), "met" if is_met else "**missed**"]
        )
    return table(["", "asked", "measured", ""], rows)


def task_table(results, context, task):
    """A row a contestant, in the order of the plan; what was left out is named below."""
    kept = results.data["tasks"].get(task.name)
    if kept is None:
        return "Not measured."
    factor = 1 if task.unit == "s" else 1e3
    shown = [c.name for c in task.contestants if results.turns(task.name, c.name)]
    has_first = any(results.median(task.name, name, "first_seconds") for name in shown)
    header = ["", f"median {task.unit}", "least", "ratio"]
    header += ["first"] if has_first else []
    header += ["MB: traces + rest", "files", "bytes a change", "bytes a strategy"] if task.is_stored else []
    header += ["peak MB", "load"]
    base = results.median(task.name, task.base)
    workload = done(context, task.workloads[0]) if task.is_stored else None
    rows = []
    for name in shown:
        turns = results.turns(task.name, name)
        median = results.median(task.name, name)
        row = [name, three_digits(median * factor), three_digits(results.least(task.name, name) * factor),
               three_digits(median / base) if base else ""]  # fmt: skip
        if has_first:
            first = results.median(task.name, name, "first_seconds")
            row.append("" if first is None else three_digits(first * factor))
        if task.is_stored:
            row += stored_cells(turns[-1], workload)
        peak = results.median(task.name, name, "peak_mb")
        row += ["" if peak is None else f"{peak:,.0f}", f"{results.median(task.name, name, 'load') or 0:.1f}"]
        rows.append(row)
    counts = {len(results.turns(task.name, name)) for name in shown}
    title = task.title if task.title.endswith("?") else f"{task.title}."
    text = [f"{title} {task.note}".rstrip(), "", table(header, rows), ""]
    turns = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(max(counts, default=0))
    text.append(f"Medians of {turns} turn{'' if turns == '1' else 's'}, ratios to {task.base}: above 1 is slower.")
    by_reason = {}
    for name, reason in kept["left_out"].items():
        by_reason.setdefault(reason, []).append(name)
    left_out = [f"{reason}: {'; '.join(names)}" for reason, names in by_reason.items()]
    return "\n".join(text + [f"\nLeft out, {text}." for text in left_out])


def stored_cells(figures, workload):
    """Bytes of traces where they are known apart, else of all."""
    if "bytes" not in figures:
        return ["", "", "", ""]
    size = figures.get("trace_bytes", figures["bytes"])
    beside = f" + {(figures['bytes'] - size) / 1e6:,.2f}" if "trace_bytes" in figures else ""
    return [f"{size / 1e6:,.2f}{beside}", f"{figures['files']:,}", f"{size / workload['changes']:.2f}",
            f"{size / workload['strategies']:,.1f}"]  # fmt: skip


CURVES = {"curve-strategies": "strategies", "curve-changes": "changes a strategy", "curve-runs": "runs"}
FIGURES = {"record_seconds": "time to record, s", "bytes": "MB on disk", "lookup_seconds": "one lookup, ms"}


def curve_points(results, task):
    """x -> figure -> median, of the points that were measured."""
    import statistics

    turns = [turn for who in results.data["tasks"].get(task, {}).get("measured", {}).values() for turn in who]
    points = {}
    for x in sorted({int(x) for turn in turns for x in turn["points"]}):
        there = [turn["points"][str(x)] for turn in turns if str(x) in turn["points"]]
        points[x] = {figure: statistics.median(point[figure] for point in there) for figure in FIGURES}
    return points


def slope(points, figure):
    """Of the logarithms, by least squares: 1 is in proportion, 0 is the same whatever the number."""
    logs = [(math.log(x), math.log(values[figure])) for x, values in points.items()]
    if len(logs) < 2:
        return None
    mean_x, mean_y = (sum(column) / len(logs) for column in zip(*logs, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def curves_table(results):
    blocks = []
    for task, what in CURVES.items():
        points = curve_points(results, task)
        if not points:
            blocks.append(f"Not measured: {what}.")
            continue
        factors = {"record_seconds": 1, "bytes": 1e-6, "lookup_seconds": 1e3}
        rows = [
            [f"{x:,}", *(three_digits(values[figure] * factors[figure]) for figure in FIGURES)]
            for x, values in points.items()
        ]
        slopes = [slope(points, figure) for figure in FIGURES]
        rows.append(["slope", *("" if value is None else f"{value:.2f}" for value in slopes)])
        blocks.append(table([what, *FIGURES.values()], rows))
    return "\n\n".join(blocks)


def machine_text(results):
    data = results.data
    machine = data["machine"]
    versions = {}
    for task in data["tasks"].values():
        for turns in task["measured"].values():
            versions |= dict(list(turns[-1].get("versions", {}).items())[:1])  # the peer's own, not what it stands on
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return (
        f"Measured on {data.get('measured_on', '?')}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}, {machine['file_system']}; "
        f"{data.get('signalbook', '')}; "
        f"Python {machine['python']}, {named}. Bars of G1640: {data['bars']}."
    )


def blocks(results, tasks, context):
    """What stands between the markers, by their names."""
    made = {
        "machine": machine_text(results),
        "targets": targets_table(results, context),
        "curves": curves_table(results),
    }
    for task in tasks:
        if task.name not in CURVES:
            made[task.name] = task_table(results, context, task)
    return made


def fill(text, made):
    """The text with new blocks between its markers; names of blocks it has no place for."""
    missing = []
    for name, block in made.items():
        begin = BEGIN.format(name)
        pattern = re.compile(re.escape(begin) + r"\n.*?" + re.escape(END), re.DOTALL)
        if not pattern.search(text):
            missing.append(name)
        text = pattern.sub(lambda _, b=begin, block=block: f"{b}\n{block}\n{END}", text)
    return text, missing


def publish(results, tasks, context, root):
    """benchmarks/results.json, docs/benchmarks.md and docs/benchmarks.svg below `root`."""
    made = blocks(results, tasks, context)
    page = root / "docs" / "benchmarks.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    if page.exists():
        text, missing = fill(page.read_text(), made)
    else:
        text, missing = "\n\n".join(f"{BEGIN.format(name)}\n{block}\n{END}" for name, block in made.items()) + "\n", []
    page.write_text(text)
    if missing:
        print(f"{page} has no place for {', '.join(missing)}", file=sys.stderr)
    copy = root / "benchmarks" / "results.json"
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(results.path, copy)
    python = python_of(context.venvs, "plot")
    if python is None:
        print("no plot: matplotlib is not installed (benchmarks/run --install)", file=sys.stderr)
    else:
        command = [python, "-m", "suite.plot", copy, page.with_suffix(".svg")]
        subprocess.run(list(map(str, command)), check=True, cwd=HERE.parent)
    print(f"{page}\n{copy}")
