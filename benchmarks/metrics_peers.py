"""All metrics of a sweep, and how alike its traces are, beside what Python users have.

1,640 Bollinger strategies on 16,614 bars, recorded as a run of 1,640 files. Each contestant works in a fresh process and
prints its seconds; they take turns, and medians are compared. One thread each, but for the rows that say otherwise, and
polars, which takes what it likes.

  numpy       five figures (total return, Sharpe ratio, drawdown, trades, win rate) from the dense matrix in memory
  polars      the same from the run's trace files, changes exploded to bars
  vectorbt    the same with Portfolio.from_orders at changes, from the dense matrix, 200 strategies at a time (all at once
              it would need 10 GB); it holds shares, not a share of equity, so that its figures are others
  ours        all 18 figures: from traces in memory (bench_metrics), and from the finished run (opened, read and checked
              by the library; and `signalbook analyze`, the process from start to end, which writes them as well)
  numpy-corr  numpy.corrcoef of the dense matrix: positions in float32, P&L in float64; ours by bench_correlation

The figures of numpy are compared with those that `signalbook analyze` wrote.

usage: metrics_peers.py [--bars FILE.csv] [--turns N] [--builds build/bench] [--without NAME,...]
Without --bars (5-minute bars) the prices are a seeded random walk. `pip install -r requirements-peers.txt`, and
`scripts/build bench` with and without the target signalbook first.
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

BARS, BARS_A_YEAR = 16_614, 252 * 78
FIGURES = ["total_return", "sharpe_ratio", "max_drawdown", "trade_count", "win_rate"]


# ---- Contestants: each runs in a process of its own, and returns seconds and, if it has them, figures by strategy


def load(work):
    import numpy as np

    return np.load(work / "signals.npy"), np.load(work / "closes.npy")


def timed(function, *arguments):
    """Seconds by the clock and of the processor, and the result."""
    start = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return (time.perf_counter() - start[0], time.process_time() - start[1]), result


def numpy_figures(signals, close):
    """The equity equation on the whole matrix; the position of a bar's close earns over the next bar."""
    import numpy as np

    held = signals[:-1]
    earned = held * (close[1:] / close[:-1] - 1)[:, None]
    equity = np.cumprod(1 + earned, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sharpe = earned.mean(axis=0) / earned.std(axis=0, ddof=1) * np.sqrt(BARS_A_YEAR)
        peak = np.maximum(np.maximum.accumulate(equity, axis=0), 1)
        drawdown = np.minimum((equity / peak).min(axis=0) - 1, 0)
        # Trades: stretches of one position, by the prices at their ends. What is open at the end has not won yet.
        by_strategy = np.ascontiguousarray(signals.T)
        is_change = np.ones(by_strategy.shape, bool)
        is_change[:, 1:] = by_strategy[:, 1:] != by_strategy[:, :-1]
        strategy, bar = np.nonzero(is_change)
        is_last = np.append(strategy[1:] != strategy[:-1], True)
        end = np.where(is_last, len(close) - 1, np.append(bar[1:], 0))
        side = by_strategy[strategy, bar]
        is_trade = (side != 0) & (end > bar)
        is_closed = is_trade & ~is_last
        won = is_closed & (side * (close[end] / close[bar] - 1) > 1e-12)
        count = len(by_strategy)
        trades = np.bincount(strategy[is_trade], minlength=count)
        win_rate = np.bincount(strategy[won], minlength=count) / np.bincount(strategy[is_closed], minlength=count)
    return [equity[-1] - 1, sharpe, drawdown, trades, win_rate]


def run_numpy(work):
    seconds, figures = timed(numpy_figures, *load(work))
    return seconds, figures


def run_polars(work):
    import numpy as np
    import polars as pl

    close = load(work)[1]

    def figures():
        bars = pl.LazyFrame({"bar": np.arange(1, len(close)), "move": close[1:] / close[:-1] - 1})
        changes = pl.scan_parquet(str(work / "results/run_1/traces/**/*.parquet")).select("strat", "idx", "val")
        stretches = changes.with_columns(end=pl.col("idx").shift(-1, fill_value=len(close) - 1).over("strat"))
        held = stretches.filter((pl.col("val") != 0) & (pl.col("end") > pl.col("idx")))
        by_bar = (
            held.with_columns(bar=pl.int_ranges(pl.col("idx") + 1, pl.col("end") + 1))
            .explode("bar")
            .join(bars, on="bar", how="left", maintain_order="left")
            .select("strat", "idx", earned=pl.col("val") * pl.col("move"))
            .with_columns(equity=(1 + pl.col("earned")).cum_prod().over("strat"))
            .with_columns(peak=pl.col("equity").cum_max().over("strat").clip(1))
        )
        trades = by_bar.group_by("strat", "idx").agg(gain=(1 + pl.col("earned")).product() - 1)
        trades = trades.group_by("strat").agg(trades=pl.len(), win_rate=(pl.col("gain") > 1e-12).mean())
        n = len(close) - 1
        mean = pl.col("earned").sum() / n
        deviation = ((pl.col("earned").pow(2).sum() - n * mean**2) / (n - 1)).sqrt()
        rest = by_bar.group_by("strat").agg(
            total=pl.col("equity").last() - 1,
            sharpe=mean / deviation * BARS_A_YEAR**0.5,
            drawdown=(pl.col("equity") / pl.col("peak") - 1).min(),
        )
        return rest.join(trades, on="strat").collect()

    return timed(figures)[0], None


def run_vectorbt(work):
    import numpy as np
    import pandas as pd
    import vectorbt as vbt

    signals, close = load(work)
    vbt.settings.returns["year_freq"] = pd.Timedelta(minutes=5) * BARS_A_YEAR
    index = pd.date_range("2024-01-01", periods=len(close), freq="5min")
    prices = pd.Series(close, index=index)

    def figures(columns):
        size = signals[:, columns].astype(np.float64)
        size[1:][signals[1:, columns] == signals[:-1, columns]] = np.nan  # an order at changes alone
        size[0][signals[0, columns] == 0] = np.nan
        orders = pd.DataFrame(size, index=index)
        portfolio = vbt.Portfolio.from_orders(prices, orders, size_type="targetpercent", freq="5min", init_cash=1e6)
        return [
            portfolio.total_return(),
            portfolio.sharpe_ratio(),
            portfolio.max_drawdown(),
            portfolio.trades.count(),
            portfolio.trades.win_rate(),
        ]

    figures(slice(0, 8))  # compiles
    chunks = [slice(first, first + 200) for first in range(0, signals.shape[1], 200)]
    return timed(lambda: [figures(chunk) for chunk in chunks])[0], None


def run_numpy_correlation(work, type_name, is_pnl):
    import numpy as np

    signals, close = load(work)

    def correlation():
        held = signals[:-1].astype(type_name)
        if is_pnl:
            held *= (close[1:] / close[:-1] - 1)[:, None]
        return np.corrcoef(held, rowvar=False, dtype=type_name)

    np.seterr(all="ignore")
    return timed(correlation)[0], None


PEERS = {
    "numpy": run_numpy,
    "polars": run_polars,
    "vectorbt": run_vectorbt,
    "numpy-corr-positions": lambda work: run_numpy_correlation(work, "float32", False),
    "numpy-corr-pnl": lambda work: run_numpy_correlation(work, "float64", True),
}


def run_peer(name, work):
    seconds, figures = PEERS[name](work)
    if figures is not None:
        compare_figures(figures, work)
    print(json.dumps({"seconds": seconds}))


def compare_figures(figures, work):
    """With those in the run's index; says so where one differs by more than 1e-9."""
    import numpy as np
    import pyarrow.parquet as pq

    index = pq.read_table(work / "results/run_1/strategy_index.parquet", columns=["strategy_id", *FIGURES])
    place = np.array([int(name.removeprefix("strategy_")) for name in index["strategy_id"].to_pylist()])
    for name, expected in zip(FIGURES, figures, strict=True):
        ours = np.array(index[name].to_pylist(), dtype=float)
        theirs = np.asarray(expected, dtype=float)[place]
        if not np.allclose(ours, theirs, rtol=1e-9, atol=1e-9, equal_nan=True):
            sys.exit(f"{name} differs: {np.nanmax(np.abs(ours - theirs))}")


# ---- The workload


def prepare(work, program, bars_csv):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from record_sweep import PERIODS, TENTHS, make_bars, sweep

    close, _ = make_bars(work / "bars.csv", BARS, bars_csv)
    signals = sweep(close)
    np.save(work / "signals.npy", signals)
    np.save(work / "closes.npy", close)
    grid = [(period, tenth) for period in PERIODS for tenth in TENTHS]
    configs = [{"type": "bollinger_bands", "parameters": {"period": p, "std_dev": t / 10}} for p, t in grid]
    columns = {f"strategy_{i}": column for i, column in enumerate(signals.T)}
    pq.write_table(pa.table(columns), work / "signals.parquet")
    (work / "strategies.json").write_text(json.dumps(configs))
    command = [program, "record", "--quiet", "--run", work / "results/run_1", "--symbol", "SPY", "--timeframe", "5m"]
    command += ["--bars", work / "bars.csv", "--strategies", work / "strategies.json"]
    subprocess.run([*command, "--signals", work / "signals.parquet"], check=True)
    analyze = [program, "analyze", "--quiet", work / "results/run_1", "--bars-per-year", str(BARS_A_YEAR)]
    subprocess.run(analyze, check=True)
    changes = int((signals[1:] != signals[:-1]).sum()) + signals.shape[1]
    print(f"{signals.shape[1]:,} strategies x {len(close):,} bars, {changes:,} changes")


# ---- Turns


def run(command):
    """Its standard output, seconds by the clock and of the processor, and peak memory in MB, its children's left out."""
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed")
    return output, time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def by_bench(builds, program, figure, arguments):
    """Google Benchmark's median of three; memory includes what the benchmark keeps for its other figures."""
    command = [builds / program, *arguments, f"--benchmark_filter=^{figure}$", "--benchmark_format=json"]
    output, _, _, memory = run([*command, "--benchmark_repetitions=3"])
    lines = [line for line in json.loads(output)["benchmarks"] if line["run_type"] == "iteration"]
    return [statistics.median(line[kind] for line in lines) / 1e3 for kind in ("real_time", "cpu_time")], memory


def by_process(command):
    _, clock, processor, memory = run(command)
    return (clock, processor), memory


def by_analyze(program, path, threads):
    """A set that is not there yet: figures that are there are not computed again."""
    if (path / "metrics/peers.parquet").exists():
        run([program, "analyze", "--quiet", path, "--drop", "peers"])
    command = [program, "analyze", "--quiet", path, "--name", "peers", "--bars-per-year", BARS_A_YEAR]
    return by_process([*command, "--threads", threads])


def by_peer(name, work):
    output, _, _, memory = run([sys.executable, __file__, "--peer", name, "--work", work])
    return json.loads(output)["seconds"], memory


def contestants(builds, work):
    path = work / "results/run_1"
    dense = [work / "signals.npy", work / "closes.npy"]
    program = builds / "signalbook"

    def metrics(figure):
        return lambda: by_bench(builds, "bench_metrics", figure, [path])

    def correlation(figure):
        return lambda: by_bench(builds, "bench_correlation", figure, dense)

    ours = {
        "in memory": metrics("metrics/without_cost"),
        "in memory, 1 basis point": metrics("metrics/one_basis_point"),
        "from the run": metrics("from_run/one_thread/process_time"),
        "from the run, a thread a core": metrics("from_run/a_thread_a_core/process_time/real_time"),
        "analyze, one thread": lambda: by_analyze(program, path, 1),
        "analyze, a thread a core": lambda: by_analyze(program, path, os.cpu_count()),
        "positions alike": correlation("positions"),
        "P&L alike": correlation("pnl"),
    }
    return ours | {name: lambda name=name: by_peer(name, work) for name in PEERS}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=Path, help="a CSV of 16,614 bars or more")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--builds", type=Path, default=Path("build/bench"))
    parser.add_argument("--without", default="", help="contestants that are left out")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    builds = args.builds.resolve()
    if args.peer:
        return run_peer(args.peer, args.work)
    if args.prepare:
        return prepare(args.work, builds / "signalbook", args.bars)

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        # In another process: memory of this one, which forks the contestants, would count as theirs.
        given = ["--bars", args.bars] if args.bars else []
        print(run([sys.executable, __file__, "--prepare", "--work", work, "--builds", builds, *given])[0], end="")
        seconds, memory = {}, {}
        for _ in range(args.turns):
            for contestant, work_once in contestants(builds, work).items():
                if contestant in args.without.split(","):
                    continue
                took, peak = work_once()
                seconds.setdefault(contestant, []).append(took)
                memory[contestant] = max(memory.get(contestant, 0), peak)

    print(f"{'':32}{'median ms':>11}{'min':>10}{'max':>10}{'processor ms':>14}{'min':>10}{'MB':>8}")
    for contestant, values in seconds.items():
        clock, processor = ([1e3 * value for value in kind] for kind in zip(*values, strict=True))
        print(
            f"{contestant:32}{statistics.median(clock):11.1f}{min(clock):10.1f}{max(clock):10.1f}"
            f"{statistics.median(processor):14.1f}{min(processor):10.1f}{memory[contestant]:8.0f}"
        )
    figures = ["in memory", "in memory, 1 basis point", "from the run", "from the run, a thread a core"]
    figures += ["analyze, one thread", "analyze, a thread a core"]
    pairs = [(ours, peer) for ours in figures for peer in ("numpy", "polars", "vectorbt")]
    pairs += [("positions alike", "numpy-corr-positions"), ("P&L alike", "numpy-corr-pnl")]
    print(f"\n{'how many times as fast':56}{'clock':>9}{'bests':>9}{'processor':>11}{'bests':>9}")
    for ours, peer in pairs:
        if ours not in seconds or peer not in seconds:
            continue
        ratios = [
            figure(value[kind] for value in seconds[peer]) / figure(value[kind] for value in seconds[ours])
            for kind in (0, 1)
            for figure in (statistics.median, min)
        ]
        print(f"{ours + ' to ' + peer:56}{ratios[0]:9.1f}{ratios[1]:9.1f}{ratios[2]:11.1f}{ratios[3]:9.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
