"""Metrics and trades of the program beside those of empyrical, quantstats and vectorbt. Run by scripts/agreement.

What they are given is a plain Python reference of ours: the returns of a strategy, bar by bar.
"""

import math
import re
import sys
import types
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

WHY = "scripts/agreement installs what to compare with"
pd = pytest.importorskip("pandas", reason=WHY)
sys.modules.setdefault("yfinance", types.ModuleType("yfinance"))  # quantstats downloads prices with it
empyrical = pytest.importorskip("empyrical", reason=WHY)
quantstats = pytest.importorskip("quantstats.stats", reason=WHY)
vectorbt = pytest.importorskip("vectorbt", reason=WHY)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from conftest import Signalbook, Workspace, read_index, read_parquet, wide_table

pytestmark = pytest.mark.filterwarnings("ignore")  # divisions by 0 of the others

TOLERANCE = 1e-9  # in parts of max(1, |value|)
BARS_A_DAY, DAYS = 26, 70
BARS_A_YEAR = BARS_A_DAY * 252
BAR_COUNT = BARS_A_DAY * DAYS
HOLIDAYS = [date(2024, 1, 15), date(2024, 2, 19), date(2024, 3, 29)]
COST = 0.0005

# The positions a strategy takes, how often it changes, and how many of the kind there are.
KINDS = {
    "three": ((-1.0, 0.0, 1.0), 0.1, 6),
    "long": ((0.0, 1.0), 0.1, 4),
    "flips": ((-1.0, 1.0), 0.1, 4),
    "short": ((-1.0, 0.0), 0.1, 4),
    "fractions": ((-1.0, -0.5, 0.0, 0.25, 1.0), 0.05, 6),
    "levered": ((-2.0, 0.0, 3.0), 0.05, 4),
    "seldom": ((-1.0, 0.0, 1.0), 0.004, 6),
    "never": ((0.0,), 0.1, 1),
    "ruined": ((-500.0, 500.0), 0.1, 1),
}


def make_session_bars():
    """15-minute bars of 70 days, 26 a day, that move by about 0.2% a bar, and their highs and lows are no others."""
    r = np.random.default_rng(11)
    days, day = [], datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    while len(days) < DAYS:
        if day.weekday() < 5 and day.date() not in HOLIDAYS:
            days.append(day)
        day += timedelta(days=1)
    times = [day + timedelta(minutes=15 * bar) for day in days for bar in range(BARS_A_DAY)]
    close = np.round(400 * np.exp(r.normal(0, 0.002, BAR_COUNT).cumsum()), 2)
    columns = {name: close for name in ("open", "high", "low", "close")}
    return pa.table({"timestamp": pa.array(times, pa.timestamp("us", "UTC")), **columns})


def make_positions():
    """Strategy -> its position a bar, NaN before it has said something. Nobody changes on the last bar."""
    r = np.random.default_rng(12)
    positions = {}
    for kind, (values, change_share, count) in KINDS.items():
        for number in range(count):
            drawn = r.choice(values, BAR_COUNT)
            drawn[1:][r.random(BAR_COUNT - 1) > change_share] = np.nan
            drawn[-1] = np.nan
            held = pd.Series(drawn).ffill().to_numpy(copy=True)
            if number == 0:
                held[:17] = np.nan
            if number == 1 and 0.0 in values:
                held[-5:] = 0.0
            if number == 2:
                held[-5:] = values[-1]
            positions[f"{kind}_{number}"] = held
    return positions


def reference_returns(close, position, cost):
    """One a bar from the second on: the equation of docs/metrics.md."""
    returns, before, is_ruined = [], 0.0, False
    for bar in range(len(close) - 1):
        held = 0.0 if math.isnan(position[bar]) else float(position[bar])
        grown = 1 + held * (close[bar + 1] / close[bar] - 1) - cost * abs(held - before)
        returns.append(0.0 if is_ruined else max(grown, 0.0) - 1)
        is_ruined |= grown <= 0
        before = held
    return np.array(returns)


class Study:
    """A recorded run, and what was recorded."""

    def __init__(self, folder):
        self.signalbook = Signalbook(folder)
        workspace = Workspace(folder, self.signalbook)
        bars = make_session_bars()
        self.close = bars["close"].to_numpy()
        self.times = pd.DatetimeIndex(bars["timestamp"].to_pandas())
        self.positions = make_positions()
        names = list(self.positions)
        strategies = [{"strategy_id": name, "type": name.split("_")[0], "parameters": {"n": i}} for i, name in
                      enumerate(names)]  # fmt: skip
        signals = wide_table(list(self.positions.values()), names)
        self.run = workspace.record(signals=signals, strategies=strategies, bars=bars, timeframe="15m")
        self.hashes = {row["strategy_id"]: row["strategy_hash"] for row in read_index(self.run)}

    def figures(self, *options):
        """strategy_id -> figures, by a set of their own for these options."""
        name = "set_" + "_".join(re.sub(r"[^a-z0-9.]", "", str(option).lower()) for option in options)
        self.signalbook.ok("analyze", self.run, *options, "--name", name)
        index = {row["trace_id"]: row["strategy_id"] for row in read_index(self.run)}
        rows = read_parquet(self.run / "metrics" / f"{name}.parquet").to_pylist()
        return {index[row["trace_id"]]: row for row in rows}

    def trades(self, strategy, cost_bps):
        outcome = self.signalbook.ok("trace", self.hashes[strategy], "--trades", "--cost-bps", cost_bps, "--store",
                                     self.run, "--format", "json", "--quiet")  # fmt: skip
        return pd.DataFrame(outcome.json)


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("agreement"))


def differences(pairs):
    """What is not the same of (name, ours, theirs); None is NaN there."""
    wrong = []
    for name, ours, theirs in pairs:
        if ours is None or not math.isfinite(theirs):
            if not (ours is None and not math.isfinite(theirs)):
                wrong.append((name, ours, theirs))
        elif abs(ours - theirs) > TOLERANCE * max(1.0, abs(theirs)):
            wrong.append((name, ours, theirs))
    return wrong


# --- empyrical and quantstats: figures of the returns ---


def by_empyrical(returns, free_a_bar=0.0):
    year = {"annualization": BARS_A_YEAR}
    return {
        "total_return": empyrical.cum_returns_final(returns),
        "annual_return": empyrical.annual_return(returns, **year),
        "annual_volatility": empyrical.annual_volatility(returns, **year),
        "sharpe_ratio": empyrical.sharpe_ratio(returns, risk_free=free_a_bar, **year),
        "sortino_ratio": empyrical.sortino_ratio(returns, required_return=free_a_bar, **year),
        "max_drawdown": empyrical.max_drawdown(returns),
        "calmar_ratio": empyrical.calmar_ratio(returns, **year),
    }


def by_quantstats(returns, free_a_year=0.0):
    year = {"periods": BARS_A_YEAR}
    return {
        "total_return": quantstats.comp(returns),
        "annual_return": quantstats.cagr(returns, **year),
        "annual_volatility": quantstats.volatility(returns, **year),
        "sharpe_ratio": quantstats.sharpe(returns, rf=free_a_year, **year),
        "sortino_ratio": quantstats.sortino(returns, rf=free_a_year, **year),
        "max_drawdown": quantstats.max_drawdown(returns),
        "calmar_ratio": quantstats.calmar(returns, **year) if (returns < 0).any() else math.nan,  # it divides by 0
    }


OPTIONS = {"free": (), "with cost": ("--cost-bps", 5), "risk free": ("--cost-bps", 5, "--risk-free", 0.03)}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("library", ["empyrical", "quantstats"])
def test_figures_of_returns(study, library, options):
    figures = study.figures(*options)
    cost = COST if options else 0.0
    free_a_year = 0.03 if "--risk-free" in options else 0.0
    wrong, compared = [], 0
    for strategy, position in study.positions.items():
        returns = pd.Series(reference_returns(study.close, position, cost), index=study.times[1:])
        if library == "empyrical":
            theirs = by_empyrical(returns, (1 + free_a_year) ** (1 / BARS_A_YEAR) - 1)
        else:
            theirs = by_quantstats(returns, free_a_year)
        ours = figures[strategy]
        assert f'"bars_per_year":{BARS_A_YEAR},' in ours["metrics_definition"]
        if free_a_year and not returns.any():
            theirs["sortino_ratio"] = math.nan  # no variance, no ratio: test_where_others_differ
        wrong += differences((f"{strategy} {name}", ours[name], value) for name, value in theirs.items())
        compared += len(theirs)
    assert not wrong
    assert compared == 7 * len(study.positions)


def test_figures_of_a_window(study):
    """It stands alone: what was held before is entered at its first close, and pays."""
    begin, end = 20 * BARS_A_DAY, 50 * BARS_A_DAY
    times = [study.times[bar].isoformat() for bar in (begin, end)]
    figures = study.figures("--cost-bps", 5, "--from", times[0], "--to", times[1])
    wrong = []
    for strategy, position in study.positions.items():
        part = slice(begin, end + 1)  # --to names the last bar
        returns = pd.Series(reference_returns(study.close[part], position[part], COST), index=study.times[part][1:])
        for theirs in (by_empyrical(returns), by_quantstats(returns)):
            wrong += differences((f"{strategy} {name}", figures[strategy][name], theirs[name]) for name in theirs)
    assert not wrong


# --- vectorbt: trades, and the equity of who rebalances ---


def held_by_vectorbt(study, position, cost):
    """Orders at the changes alone, for a share of what there is. Its positions are our trades; what it calls trades
    are several for one position that is left in parts."""
    changes = np.where(np.isnan(position), 0.0, position)
    size = np.where(np.diff(changes, prepend=0.0) != 0, changes, np.nan)
    close = pd.Series(study.close, index=study.times)
    portfolio = vectorbt.Portfolio.from_orders(close, size=size, size_type="targetpercent", fees=cost)
    return portfolio.positions


def is_resized(position):
    """Whether it goes from one size to another without a flip or an exit."""
    held = np.where(np.isnan(position), 0.0, position)
    return bool(np.any((held[1:] != held[:-1]) & (held[1:] * held[:-1] > 0)))


def without_leverage(study):
    """Nobody there may hold more than there is. Who never trades has no trades to compare."""
    return {name: position for name, position in study.positions.items() if 0 < np.nanmax(np.abs(position)) <= 1}


@pytest.mark.parametrize("cost_bps", [0, 5])
def test_trades(study, cost_bps):
    figures = study.figures("--cost-bps", cost_bps)
    seen = {"open": 0, "short": 0, "flip": 0, "trades": 0, "resized": 0}
    for strategy, position in without_leverage(study).items():
        theirs = held_by_vectorbt(study, position, cost_bps / 10_000)
        ours = study.trades(strategy, cost_bps)
        closed = theirs.closed
        assert list(ours["entry_idx"]) == list(theirs.entry_idx.values), strategy
        assert list(ours["exit_idx"]) == list(theirs.exit_idx.values), strategy
        assert list(ours["direction"] == "short") == list(theirs.direction.values == 1), strategy
        assert list(ours["is_open"]) == list(theirs.status.values == 0), strategy
        row = figures[strategy]
        assert row["trade_count"] == theirs.count()
        assert row["long_trades"] == theirs.long.count()
        assert row["short_trades"] == theirs.short.count()
        assert not differences([("avg_bars_held", row["avg_bars_held"], np.mean(ours["exit_idx"] - ours["entry_idx"]))])
        seen["open"] += int(ours["is_open"].sum())
        seen["short"] += int((ours["direction"] == "short").sum())
        seen["flip"] += int((ours["entry_idx"].values[1:] == ours["exit_idx"].values[:-1]).sum())
        seen["trades"] += len(ours)
        if is_resized(position):
            seen["resized"] += 1
            continue
        returns = theirs.returns.values
        prices = zip(ours["entry_px"], theirs.records["entry_price"], strict=True)
        assert all(a == pytest.approx(b, rel=1e-12) for a, b in prices), strategy
        assert np.max(np.abs(ours["return"] - returns)) <= TOLERANCE, strategy
        of_closed = closed.returns.values
        won, lost = of_closed[of_closed > 1e-12].sum(), -of_closed[of_closed < -1e-12].sum()
        assert not differences(
            [
                ("win_rate", row["win_rate"], float(closed.win_rate()) if closed.count() else math.nan),
                ("profit_factor", row["profit_factor"], won / lost if lost else math.nan),
                ("avg_trade_return", row["avg_trade_return"], returns.mean()),
            ]
        ), strategy
    assert min(seen.values()) > 0 and seen["trades"] > 1000, seen


def test_fractions_without_resizing(study, tmp_path):
    """A share of the equity, in and out: the return by price and per unit is theirs."""
    r = np.random.default_rng(13)
    other = Study.__new__(Study)
    other.__dict__ |= {"close": study.close, "times": study.times, "signalbook": Signalbook(tmp_path)}
    steps = r.choice([0.5, -0.5, 0.25, -0.75], BAR_COUNT // 7)
    position = np.zeros(BAR_COUNT)
    for number, size in enumerate(steps):
        position[number * 7 : number * 7 + 4] = size
    position[-7:] = -0.5
    workspace = Workspace(tmp_path, other.signalbook)
    other.run = workspace.record(signals=wide_table([position], ["s"]), bars=make_session_bars(), timeframe="15m",
                                 strategies=[{"strategy_id": "s", "type": "s", "parameters": {}}])  # fmt: skip
    other.hashes = {row["strategy_id"]: row["strategy_hash"] for row in read_index(other.run)}
    ours, theirs = other.trades("s", 5), held_by_vectorbt(other, position, COST)
    assert len(ours) == theirs.count() > 200
    assert list(ours["size"].iloc[:-1]) == [abs(size) for size in steps[: len(ours) - 1]]
    assert np.max(np.abs(ours["return"] - theirs.returns.values)) <= TOLERANCE


def test_equity_of_who_rebalances_on_each_bar(study):
    """The equation itself: an order to the same share on each bar, at no cost."""
    figures = study.figures("--cost-bps", 0)
    close = pd.Series(study.close, index=study.times)
    wrong = []
    for strategy, position in without_leverage(study).items():
        size = np.where(np.isnan(position), 0.0, position)
        portfolio = vectorbt.Portfolio.from_orders(close, size=size, size_type="targetpercent")
        row = figures[strategy]
        wrong += differences(
            [
                (f"{strategy} total_return", row["total_return"], float(portfolio.total_return())),
                (f"{strategy} max_drawdown", row["max_drawdown"], float(portfolio.drawdowns.max_drawdown())),
            ]
        )
    assert not wrong


# --- Where definitions differ: docs/metrics.md says so, and this is how ---


def test_where_others_differ(study):
    strategy = "three_1"
    position = study.positions[strategy]
    ours = study.figures("--cost-bps", 5)[strategy]
    returns = pd.Series(reference_returns(study.close, position, COST), index=study.times[1:])
    year = {"annualization": BARS_A_YEAR}

    # A return for the first bar is one too many.
    padded = pd.concat([pd.Series([0.0], index=study.times[:1]), returns])
    assert empyrical.sharpe_ratio(padded, **year) != pytest.approx(ours["sharpe_ratio"], rel=1e-6)
    # Told nothing, they take the bars for days.
    assert ours["sharpe_ratio"] / empyrical.sharpe_ratio(returns) == pytest.approx(math.sqrt(BARS_A_DAY))
    assert ours["sharpe_ratio"] / quantstats.sharpe(returns) == pytest.approx(math.sqrt(BARS_A_DAY))
    # Who never trades falls short of a risk-free rate by as much on every bar.
    assert study.figures("--risk-free", 0.03)["never_0"]["sortino_ratio"] is None
    assert empyrical.sortino_ratio(returns * 0, required_return=1e-6, **year) < 0
    # Of bars, not of trades.
    assert quantstats.win_rate(returns) == pytest.approx((returns > 0).sum() / (returns != 0).sum())
    assert quantstats.win_rate(returns) != pytest.approx(ours["win_rate"], rel=1e-3)
    assert quantstats.profit_factor(returns) != pytest.approx(ours["profit_factor"], rel=1e-3)
    # In steps of 1%, upwards, and bars without a return are not in the market.
    assert quantstats.exposure(returns) == pytest.approx(math.ceil((returns != 0).mean() * 100) / 100)
    # Who holds a number of shares has another equity.
    shares = held_by_vectorbt(study, position, COST)
    assert float(shares.pnl.sum()) / 100 != pytest.approx(ours["total_return"], rel=1e-6)
    # Of money: later trades weigh by the equity they had.
    assert float(shares.closed.profit_factor()) != pytest.approx(ours["profit_factor"], rel=1e-6)


def test_resized_trades_differ(study):
    """The same bars; their prices are weighed by shares, ours by the share of the equity."""
    resized = [name for name, position in without_leverage(study).items() if is_resized(position)]
    far = 0.0
    for strategy in resized:
        returns = held_by_vectorbt(study, study.positions[strategy], 0.0).returns.values
        far = max(far, np.max(np.abs(study.trades(strategy, 0)["return"] - returns)))
    assert TOLERANCE < far < 0.01


def test_a_change_on_the_last_bar_differs(study, tmp_path):
    """There it is an order that pays, and an entry there is a trade of no bar."""
    left, entered = np.zeros(BAR_COUNT), np.zeros(BAR_COUNT)
    left[10:-1] = 1.0
    entered[-1] = 1.0
    workspace = Workspace(tmp_path, Signalbook(tmp_path))
    strategies = [{"strategy_id": name, "type": name, "parameters": {}} for name in ("left", "entered")]
    run = workspace.record(signals=wide_table([left, entered], ["left", "entered"]), strategies=strategies,
                           bars=make_session_bars(), timeframe="15m")  # fmt: skip
    ours = {}
    for name in ("left", "entered"):
        outcome = workspace.signalbook.ok("trace", name, "--trades", "--cost-bps", 5, "--store", run, "--format", "json",
                                          "--quiet")  # fmt: skip
        ours[name] = outcome.json
    theirs = held_by_vectorbt(study, left, COST)
    (trade,) = ours["left"]
    assert not trade["is_open"] and theirs.closed.count() == 1
    exit_cost = COST * study.close[-1] / study.close[10]
    assert trade["return"] - float(theirs.returns.values[0]) == pytest.approx(exit_cost)
    assert ours["entered"] == [] and held_by_vectorbt(study, entered, COST).count() == 1
