"""`analyze`: metrics against a walk over every bar, into the index and beside it, and what is asked of them."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from conftest import make_bars, make_signals, make_strategies, read_index, read_parquet, read_tree, wide_table

BARS, COUNT = 400, 6
REAL = """total_return total_pnl annual_return annual_volatility sharpe_ratio sortino_ratio calmar_ratio max_drawdown
win_rate profit_factor avg_trade_return avg_bars_held exposure turnover""".split()
COUNTS = "max_drawdown_bars trade_count long_trades short_trades".split()


def walk(signal, close, cost, bars_per_year):
    """Some of the figures by their definitions, bar by bar, of what is held from each close to the next."""
    held, before, earned = signal[:-1], np.concatenate([[0.0], signal[:-2]]), close[1:] / close[:-1] - 1
    returns = held * earned - cost * np.abs(held - before)
    equity = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return {
        "total_return": equity[-1] - 1,
        "sharpe_ratio": returns.mean() / returns.std(ddof=1) * math.sqrt(bars_per_year) if returns.std() > 0 else None,
        "max_drawdown": (equity / np.maximum.accumulate(equity) - 1).min(),
        "exposure": (held != 0).mean(),
        "turnover": np.abs(held - before).sum(),
    }


@pytest.fixture
def run(workspace):
    """The last strategy never trades."""
    workspace.bars = make_bars(BARS)
    signals = make_signals(BARS, COUNT, seed=3, values=(-1.0, 0.0, 0.5, 1.0))
    signals[:, COUNT - 1] = 0.0
    workspace.record(signals=wide_table(signals), strategies=make_strategies(COUNT))
    return workspace, signals


def rows_of(workspace, sql):
    return workspace.signalbook.query(sql, cwd=workspace.store)


def test_figures_are_those_of_a_walk_over_the_bars(run):
    workspace, signals = run
    outcome = workspace.signalbook.ok("analyze", "results/run_1", "--cost-bps", "3", "--capital", "5000")
    assert outcome.out.startswith("analysed results/run_1: 6 traces in its index, ")
    close = workspace.bars["close"].to_numpy()
    for row in read_index(workspace.store / "run_1"):
        definition = json.loads(row["metrics_definition"])
        expected = walk(signals[:, int(row["strategy_id"][9:])], close, 3e-4, definition["bars_per_year"])
        for name, value in expected.items():
            assert (row[name] is None) == (value is None), name
            if value is not None:
                assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
        assert row["total_pnl"] == pytest.approx(5000 * row["total_return"], abs=1e-9)
        assert definition["cost"] == pytest.approx(3e-4) and definition["capital"] == 5000


def test_who_never_trades_has_no_ratios_and_json_has_no_nan(run):
    workspace, _ = run
    workspace.signalbook.ok("analyze", "results")
    idle = f"strategy_id = 'strategy_{COUNT - 1}'"
    columns = ", ".join(REAL + COUNTS)
    outcome = workspace.signalbook.ok(
        "sql", f"SELECT {columns} FROM strategies", "--format", "json", cwd=workspace.store
    )
    assert "NaN" not in outcome.out and "Infinity" not in outcome.out
    (row,) = rows_of(workspace, f"SELECT {columns} FROM strategies WHERE {idle}")
    assert {k for k, v in row.items() if v is not None} == {
        "total_return", "total_pnl", "annual_return", "annual_volatility", "max_drawdown", "max_drawdown_bars",
        "exposure", "turnover", "trade_count", "long_trades", "short_trades",
    }  # fmt: skip
    assert set(row.values()) == {None, 0, 0.0}
    listed = workspace.signalbook.ok("list", "--best", "sharpe_ratio", "--format", "json", cwd=workspace.store).json
    assert len(listed) == COUNT - 1  # not he whose Sharpe ratio is undefined


def test_record_analyses_when_told(workspace):
    outcome = workspace.attempt("--analyze", signals=wide_table(make_signals(200, 3)), strategies=make_strategies(3))
    assert outcome.code == 0 and outcome.out.splitlines()[1].startswith("analysed "), outcome
    assert all(row["metrics_definition"] for row in read_index(workspace.store / "run_1"))


@pytest.mark.parametrize("minutes, per_day, a_year", [(15, 26, 6552), (5, 78, 19656)])
def test_bars_a_year_are_those_of_the_feed(workspace, minutes, per_day, a_year):
    """The square root of 252 belongs to daily bars."""
    days = np.arange("2024-01-02", "2024-03-20", dtype="datetime64[D]")
    days = days[np.is_busday(days, holidays=["2024-01-15", "2024-02-19"])]
    opening = np.array([14 * 60 + 30], dtype="timedelta64[m]")
    ts = np.concatenate([day + opening + np.arange(per_day) * np.timedelta64(minutes, "m") for day in days])
    bars = make_bars(len(ts)).set_column(
        0, "timestamp", pa.array(ts.astype("datetime64[us]"), pa.timestamp("us", "UTC"))
    )
    signals = make_signals(len(ts), 1)
    workspace.record("--analyze", bars=bars, signals=wide_table(signals), strategies=make_strategies(1))
    (row,) = read_index(workspace.store / "run_1")
    assert json.loads(row["metrics_definition"])["bars_per_year"] == a_year
    expected = walk(signals[:, 0], bars["close"].to_numpy(), 0, a_year)["sharpe_ratio"]
    assert row["sharpe_ratio"] == pytest.approx(expected, rel=1e-9)


def test_other_terms_are_a_set_of_their_own(run):
    workspace, signals = run
    say = workspace.signalbook
    say.ok("analyze", "results/run_1")
    outcome = say.ok("analyze", "results/run_1", "--cost-bps", "10")
    assert "6 traces in metric set cost10bp" in outcome.out
    assert say.ok("analyze", "results/run_1", "--cost-bps", "10").out.startswith("has been analysed")
    close = workspace.bars["close"].to_numpy()
    rows = rows_of(workspace, "SELECT strategy_id, metric_set, total_return FROM metrics ORDER BY ALL")
    assert len(rows) == 2 * COUNT
    for row in rows:
        cost = {"index": 0, "cost10bp": 1e-3}[row["metric_set"]]
        expected = walk(signals[:, int(row["strategy_id"][9:])], close, cost, 252)["total_return"]
        assert row["total_return"] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    # With stock readers, the index and the set are rows of one table.
    beside = read_parquet(workspace.store / "run_1" / "metrics" / "cost10bp.parquet")
    assert beside["trace_path"].to_pylist() == [row["trace_path"] for row in read_index(workspace.store / "run_1")]
    by_set = say.ok(
        "list", "--best", "total_return", "--metrics", "cost10bp", "--format", "json", cwd=workspace.store
    ).json
    expected = sorted((walk(signals[:, i], close, 1e-3, 252)["total_return"] for i in range(COUNT)), reverse=True)
    assert [row["total_return"] for row in by_set] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert say.ok("verify", "results", "--deep").code == 0
    say.ok("analyze", "results", "--drop", "cost10bp")
    assert not (workspace.store / "run_1" / "metrics" / "cost10bp.parquet").exists()
    gone = say("list", "--metrics", "cost10bp", cwd=workspace.store)
    assert gone.code == 1 and "there is no metric set cost10bp; there are index" in gone.err


def test_a_window_is_said_in_dates(run):
    workspace, signals = run
    ts = workspace.bars["timestamp"].to_numpy()
    day = str(ts[0])[:10]
    first_day = ts < np.datetime64(day) + np.timedelta64(1, "D")
    assert 10 < first_day.sum() < BARS
    outcome = workspace.signalbook.ok("analyze", "results/run_1", "--to", day, "--name", "first_day")
    assert "metric set first_day" in outcome.out
    close = workspace.bars["close"].to_numpy()
    for row in rows_of(workspace, "SELECT * FROM metrics"):
        expected = walk(signals[first_day, int(row["strategy_id"][9:])], close[first_day], 0, 252)
        assert row["total_return"] == pytest.approx(expected["total_return"], rel=1e-9, abs=1e-12)
    outside = workspace.signalbook("analyze", "results/run_1", "--from", "2031-01-01")
    assert outside.code == 1 and "SPY 5m has no bar in that time; its bars are from 2024-01-02" in outside.err


def test_what_if_there_had_been_a_stop(run):
    workspace, _ = run
    workspace.signalbook.ok("analyze", "results/run_1")
    outcome = workspace.signalbook.ok(
        "analyze", "results/run_1", "--stop", "0.001", "--slippage-bps", "1", "--target", "0.002"
    )
    assert "metric set stop0.001_target0.002_slip1bp" in outcome.out
    rows = rows_of(
        workspace,
        "SELECT a.strategy_id, a.trade_count AS n, b.trade_count AS m, a.avg_bars_held AS held, b.avg_bars_held AS less "
        "FROM metrics a JOIN metrics b USING (run_id, trace_id) WHERE a.metric_set = 'index' AND "
        "b.metric_set LIKE 'stop%' AND a.trade_count > 0",
    )
    assert len(rows) == COUNT - 1 and all(row["m"] == row["n"] and row["less"] < row["held"] for row in rows)


def test_a_damaged_run_does_not_keep_the_others_from_it(run):
    workspace, signals = run
    for name in ["run_2", "run_3"]:
        workspace.record(run=name, signals=wide_table(signals), strategies=make_strategies(COUNT))
    damaged = workspace.store / "run_2" / read_index(workspace.store / "run_2")[2]["trace_path"]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 4
    damaged.write_bytes(content)
    before = read_tree(workspace.store / "run_2")
    outcome = workspace.signalbook("analyze", "results")
    assert outcome.code == 3
    assert [line.split(":")[0] for line in outcome.out.splitlines()] == [
        "analysed results/run_1",
        "analysed results/run_3",
    ]
    assert str(damaged.relative_to(workspace.folder)) in outcome.err and "1 of 3 runs failed (run_2)" in outcome.err
    assert read_tree(workspace.store / "run_2") == before


def test_the_catalogue_of_many_runs_learns_it(workspace):
    signals, strategies = wide_table(make_signals(200, 2)), make_strategies(2)
    for number in range(23):
        workspace.record(run=f"run_{number:02}", signals=signals, strategies=strategies)
    count = "SELECT count(sharpe) AS n, count(*) AS of FROM strategies"
    assert rows_of(workspace, count) == [{"n": 0, "of": 46}]
    workspace.signalbook.ok("analyze", "results/run_07")
    assert rows_of(workspace, count) == [{"n": 2, "of": 46}]
    listed = workspace.signalbook.ok("list", "--best", "sharpe", "--format", "json", cwd=workspace.store)
    assert {row["run_id"] for row in listed.json} == {"run_07"}
    assert "44 of 46 traces here have no metrics (22 runs)" in listed.err
    workspace.signalbook.ok("analyze", "results", "--run", "run_1*")
    assert rows_of(workspace, count) == [{"n": 22, "of": 46}]


def test_rebuilding_the_index_keeps_the_figures(run):
    workspace, _ = run
    workspace.signalbook.ok("analyze", "results/run_1", "--cost-bps", "1")
    workspace.signalbook.ok("analyze", "results/run_1", "--cost-bps", "2")
    index = workspace.store / "run_1" / "strategy_index.parquet"
    before = index.read_bytes()
    workspace.signalbook.ok("index", "rebuild", "results/run_1")
    assert index.read_bytes() == before
    assert rows_of(workspace, "SELECT count(*) AS n FROM metrics") == [{"n": 2 * COUNT}]


def test_without_bars_trades_alone_are_told(run):
    workspace, _ = run
    (bars,) = (workspace.store / "bars").glob("*.parquet")
    bars.unlink()
    refused = workspace.signalbook("analyze", "results/run_1")
    assert refused.code == 3 and "--without-bars" in refused.err
    workspace.signalbook.ok("analyze", "results/run_1", "--without-bars")
    rows = rows_of(workspace, "SELECT trade_count, sharpe_ratio, metrics_definition FROM metrics")
    assert len(rows) == COUNT and sum(row["trade_count"] for row in rows) > 50
    assert {row["sharpe_ratio"] for row in rows} == {None}
    assert {row["metrics_definition"] for row in rows} == {'{"equation":1,"prices":"px","cost":0}'}


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["results/none"], 1, "there is no run results/none"),
        (["--capital", "0", "results/run_1"], 2, "--capital: 0 is not an amount above 0"),
        (["--bars-per-year", "-1", "results/run_1"], 2, "--bars-per-year: -1 is not a number of bars above 0"),
        (["--risk-free", "-1", "results/run_1"], 2, "--risk-free: -1 is not a rate a year above -1"),
        (["--cost-bps", "-1", "results/run_1"], 2, "--cost-bps"),
        (["--stop", "-0.1", "results/run_1"], 2, "--stop"),
        (["--slippage-bps", "1", "results/run_1"], 2, "--stop"),
        (["--from", "yesterday", "results/run_1"], 2, "--from yesterday"),
        (["--from", "2024-01-03", "--to", "2024-01-02", "results/run_1"], 2, "comes before --from"),
        (["--name", "../x", "results/run_1"], 2, "no name of a metric set"),
        (["--drop", "x", "results/run_1"], 1, "it has none beside its index"),
        (["--run", "run_1", "results/run_1"], 2, "--run is for a store"),
        (["--run", "run_9", "results"], 1, "there are run_1"),
        (["--without-bars", "--stop", "0.1", "results/run_1"], 2, "--without-bars"),
    ],
)
def test_bad_input_changes_nothing(run, arguments, status, words):
    workspace, _ = run
    before = read_tree(workspace.store)
    outcome = workspace.signalbook("analyze", *arguments)
    assert outcome.code == status and words in outcome.err, outcome
    assert read_tree(workspace.store) == before


def test_list_refuses_what_is_no_metric(run):
    workspace, _ = run
    for arguments, words in [
        (["--best", "sharp"], "--best: there is no metric sharp; there are total_return"),
        (["--best", "metrics_definition"], "there is no metric metrics_definition"),
        (["--best", "sharpe", "--sort-by", "bar_count"], "give one"),
        (["--max-drawdown", "1.5"], "--max-drawdown"),
    ]:
        outcome = workspace.signalbook("list", *arguments, cwd=workspace.store)
        assert outcome.code == 2 and words in outcome.err, outcome
    nothing = workspace.signalbook.ok("list", "--best", "sharpe", cwd=workspace.store)
    assert (
        f"{COUNT} of {COUNT} traces here have no metrics (1 run); compute them with: signalbook analyze" in nothing.err
    )


def test_list_by_trades_and_drawdown(run):
    workspace, _ = run
    workspace.signalbook.ok("analyze", "results")
    rows = rows_of(workspace, "SELECT strategy_id, trade_count, max_drawdown, annual_volatility FROM strategies")
    fewest = sorted(row["trade_count"] for row in rows)[2]
    deepest = sorted(row["max_drawdown"] for row in rows)[2]
    for arguments, keep in [
        (["--min-trades", fewest], lambda row: row["trade_count"] >= fewest),
        (["--max-drawdown", -deepest], lambda row: row["max_drawdown"] >= deepest),
    ]:
        listed = workspace.signalbook.ok("list", *arguments, "--format", "json", cwd=workspace.store).json
        assert {row["strategy_id"] for row in listed} == {row["strategy_id"] for row in rows if keep(row)}
        assert 0 < len(listed) < COUNT
    calmest = workspace.signalbook.ok(
        "list", "--best", "annual_volatility", "--format", "json", cwd=workspace.store
    ).json
    assert [row["strategy_id"] for row in calmest] == [
        row["strategy_id"] for row in sorted(rows, key=lambda row: row["annual_volatility"])
    ]


def test_a_set_of_other_traces_leaves_a_rebuilt_run(run):
    """Rows are numbered anew when a trace is lost: a set that goes by the old numbers would be others' figures."""
    workspace, _ = run
    say = workspace.signalbook
    say.ok("analyze", "results/run_1")
    say.ok("analyze", "results/run_1", "--cost-bps", "5")
    lost = workspace.store / "run_1" / read_index(workspace.store / "run_1")[1]["trace_path"]
    content = lost.read_bytes()
    lost.write_bytes(b"x")
    outcome = say("index", "rebuild", "results/run_1")
    assert outcome.code == 3 and "cost5bp.parquet: its rows are not those of the index any more" in outcome.out
    figures = "SELECT strategy_id, metric_set, turnover FROM metrics ORDER BY ALL"
    with_others = rows_of(workspace, figures)
    assert {row["metric_set"] for row in with_others} == {"index"} and len(with_others) == COUNT - 1
    say.ok("analyze", "results/run_1", "--cost-bps", "5")
    lost.write_bytes(content)
    say.ok("index", "rebuild", "results/run_1")
    assert {row["metric_set"] for row in rows_of(workspace, figures)} == {"index"}
    say.ok("verify", "results", "--deep")
    # Whoever was out has no figures yet; the next analysis is about all.
    say.ok("analyze", "results/run_1")
    for row in rows_of(workspace, figures):
        assert (
            row in with_others
            or row["metric_set"] == "index"
            and row["strategy_id"] not in {other["strategy_id"] for other in with_others}
        )


def test_of_several_feeds_those_with_bars_in_the_window_count(workspace):
    early, late = make_bars(60), make_bars(60, start="2025-03-03T14:30:00")
    signals = make_signals(60, 1)
    rows = [(symbol, "5m", "strategy_0", bar, signals[bar, 0]) for symbol in ("SPY", "QQQ") for bar in range(60)]
    names = ["symbol", "timeframe", "strategy_id", "idx", "val"]
    workspace.record(
        feeds={"SPY_5m": early, "QQQ_5m": late},
        strategies=make_strategies(1),
        signals=pa.table(dict(zip(names, map(list, zip(*rows))))),
    )
    outcome = workspace.signalbook.ok("analyze", "results/run_1", "--from", "2025-01-01", "--name", "late")
    assert "1 trace in metric set late, 1 trace without a bar to compute on" in outcome.out
    assert [row["symbol"] for row in rows_of(workspace, "SELECT symbol FROM metrics")] == ["QQQ"]


def test_list_says_when_costs_are_mixed(workspace):
    signals, strategies = wide_table(make_signals(200, 2)), make_strategies(2)
    for number, cost in [(1, 0), (2, 20)]:
        workspace.record(run=f"run_{number}", signals=signals, strategies=strategies)
        workspace.signalbook.ok("analyze", f"results/run_{number}", "--cost-bps", cost)
    mixed = "figures at several costs stand beside each other here (0, 20 basis points a side)"
    listed = workspace.signalbook.ok("list", "--best", "calmar_ratio", "--format", "json", cwd=workspace.store)
    assert mixed in listed.err and "calmar_ratio" in listed.json[0]
    alone = workspace.signalbook.ok("list", "--best", "calmar_ratio", "--run", "run_2", cwd=workspace.store)
    assert "several costs" not in alone.err


def test_a_recording_stays_when_its_analysis_fails(workspace):
    bars = make_bars(50)
    workspace.bars = bars.set_column(4, "close", pa.array([0.0] + bars["close"].to_pylist()[1:]))
    outcome = workspace.attempt("--analyze", signals=wide_table(make_signals(50, 1)), strategies=make_strategies(1))
    assert outcome.code == 2 and "bar 0: its close is 0" in outcome.err
    assert "results/run_1 is recorded, without metrics" in outcome.err
    workspace.signalbook.ok("verify", "results")
    labels = workspace.attempt(
        "--analyze", run="labels", signals=wide_table([["a"] * 50]), strategies=make_strategies(1)
    )
    assert labels.code == 0 and "no metrics: " in labels.err


@pytest.mark.parametrize("option", ["--cost-bps", "--stop", "--target", "--trail", "--capital", "--risk-free"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "x"])
def test_numbers_are_finite(run, option, value):
    workspace, _ = run
    outcome = workspace.signalbook("analyze", "results/run_1", option, value)
    assert outcome.code == 2 and f"{option}: {value} is not" in outcome.err, outcome
