"""How large the workloads are: `full` is what is reported, `small` takes a few minutes, `tiny` is for the test."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dense:
    """A sweep of two parameters as a matrix."""

    bars: int = 16_614
    periods: tuple = tuple(range(10, 51))
    tenths: tuple = tuple(range(5, 45))


@dataclass(frozen=True)
class Sparse:
    """Random changes. Mixed: strategies of five types with 20 parameters, else a sweep of two parameters."""

    strategies: int
    changes: int
    bars: int
    seed: int
    mixed: bool = False


@dataclass(frozen=True)
class Runs:
    """Indexes of many runs, without traces, each sharing 15% of its strategies with the next."""

    runs: int
    rows: int


@dataclass(frozen=True)
class ManyRuns:
    """Inputs of small runs to record one after the other; figures are taken after each of `points` runs."""

    points: tuple
    strategies: int = 100
    changes: int = 20
    bars: int = 16_614
    seed: int = 6


def workloads(dense, x100k, million, runs, strategies, changes, many_runs):
    made = {"g1640": dense, "x100k": x100k, "i1m": million, "r1000": runs, "runs": many_runs}
    # The points of the curves; the last one of the strategies is the index of a million itself.
    for count in strategies:
        made[f"strategies-{count}"] = Sparse(count, million.changes, million.bars, 3, mixed=True)
    for count in changes:
        made[f"changes-{count}"] = Sparse(min(1_000, x100k.strategies), count, x100k.bars, 4)
    return made


SCALES = {
    "full": workloads(
        dense=Dense(),
        x100k=Sparse(100_000, 60, 100_000, 100),
        million=Sparse(1_000_000, 20, 16_614, 3, mixed=True),
        runs=Runs(1_000, 1_000),
        strategies=[1_000, 10_000, 100_000],
        changes=[10, 100, 1_000, 10_000],
        many_runs=ManyRuns((1, 10, 100, 1_000)),
    ),
    "small": workloads(
        dense=Dense(),
        x100k=Sparse(10_000, 60, 100_000, 100),
        million=Sparse(50_000, 20, 16_614, 3, mixed=True),
        runs=Runs(100, 1_000),
        strategies=[1_000, 10_000],
        changes=[10, 100, 1_000],
        many_runs=ManyRuns((1, 10, 50)),
    ),
    "tiny": workloads(
        dense=Dense(400, tuple(range(10, 15)), tuple(range(5, 13))),
        x100k=Sparse(200, 10, 1_000, 100),
        million=Sparse(500, 5, 1_000, 3, mixed=True),
        runs=Runs(4, 40),
        strategies=[20, 100],
        changes=[5, 20],
        many_runs=ManyRuns((1, 3), 5, 5, 100),
    ),
}
