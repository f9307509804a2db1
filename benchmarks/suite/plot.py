"""The plot of docs/benchmarks.md: ours beside the peers, and the curves. Needs matplotlib.

python -m suite.plot results.json OUT.svg
"""

import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from suite.report import CURVES, curve_points, slope
from suite.results import Results

OURS, THEIRS, DENSE = "#1f6fb4", "#b9bec4", "#e0c48c"
PANELS = [
    ("store-g1640", "seconds", "G1640 to disk, s", 1),
    ("store-g1640", "size", "G1640 on disk, bytes a change", 1),
    ("read-g1640", "seconds", "G1640 back into a matrix, ms", 1e3),
    ("store-x100k", "seconds", "X100k to disk, s", 1),
    ("trace-x100k", "seconds", "One trace of 100,000, ms", 1e3),
    ("find-param-i1m", "seconds", "Two parameters among a million, ms", 1e3),
]


def size_of(results, task, name):
    """Bytes a change of what was stored; the changes are those it answered with."""
    turn = results.turns(task, name)[-1]
    size = turn.get("trace_bytes", turn.get("bytes"))
    changes = turn.get("answer", {}).get("changes")
    return size / changes if size and changes else None


def bars(axes, results, task, figure, title, factor):
    measured = results.data["tasks"].get(task, {}).get("measured", {})
    values = {}
    for name in measured:
        if figure == "size" and ("process" in name or "sync" in name):
            continue  # the same store once more
        value = size_of(results, task, name) if figure == "size" else results.median(task, name)
        if value:
            values[name] = value * (1 if figure == "size" else factor)
    names = sorted(values, key=values.get, reverse=True)
    colours = [OURS if n.startswith("signalbook") else DENSE if "dense" in n or "sync" in n else THEIRS for n in names]
    axes.barh(range(len(names)), [values[name] for name in names], color=colours)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xscale("log")
    axes.set_title(title, fontsize=9, loc="left")
    for place, name in enumerate(names):
        axes.text(values[name], place, f" {values[name]:.3g}", va="center", fontsize=7)
    axes.margins(x=0.2)
    tidy(axes)


def curve(axes, results, task, title):
    points = curve_points(results, task)
    for figure, label, factor in [
        ("record_seconds", "record, s", 1),
        ("bytes", "MB", 1e-6),
        ("lookup_seconds", "lookup, s", 1),
    ]:
        if not points:
            continue
        fitted = slope(points, figure)
        label = label if fitted is None else f"{label}: slope {fitted:.2f}"
        axes.plot(list(points), [values[figure] * factor for values in points.values()], marker="o", ms=3, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title[0].upper() + title[1:], fontsize=9, loc="left")
    if points:
        axes.legend(fontsize=7, frameon=False)
    tidy(axes)


def tidy(axes):
    axes.tick_params(labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main():
    results = Results(sys.argv[1])
    plt.rcParams["svg.hashsalt"] = "benchmarks"  # the same figures, the same file
    plt.rcParams["svg.fonttype"] = "none"  # text stays text
    figure, grid = plt.subplots(3, 3, figsize=(15, 11))
    for axes, panel in zip(grid.flat, PANELS, strict=False):
        bars(axes, results, *panel)
    for axes, (task, title) in zip(grid.flat[len(PANELS) :], CURVES.items(), strict=True):
        curve(axes, results, task, title)
    figure.tight_layout()
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
