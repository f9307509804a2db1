"""`analyze --trials` against NumPy and the formulas of docs/luck.md, and what it says in every case."""

import io
import json
from statistics import NormalDist

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import Signalbook, make_bars, make_signals, make_strategies, parse_csv, read_tree, wide_table

BARS, COUNT = 300, 14
COLUMNS = [
    "run_id", "strategy_id", "strategy_hash", "sharpe_ratio", "probabilistic_sharpe", "deflated_sharpe",
    "min_track_record_bars", "min_track_record_years", "shape", "neighbours", "neighbour_sharpe",
    "kept",
]  # fmt: skip
normal = NormalDist()


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def trials(signalbook, path, *options, summary=False):
    more = ["--summary"] if summary else []
    outcome = signalbook.ok("analyze", path, "--trials", "--format", "json", *more, *options)
    rows = json.loads(outcome.raw, parse_constant=no_constant)
    return rows[0] if summary else rows


def noisy_signals(count=COUNT, seed=3, edge=0.0):
    """One that never trades, one that always holds, and in `edge` of the bars the first knows the next one."""
    signals = make_signals(BARS, count, seed=seed)
    signals[:, -1] = 0.0
    signals[:, -2] = 1.0
    close = make_bars(BARS)["close"].to_numpy()
    knows = np.random.default_rng(seed).random(BARS - 1) < edge
    signals[:-1, 0] = np.where(knows, np.sign(np.diff(close)), signals[:-1, 0])
    return signals


@pytest.fixture
def run(workspace):
    workspace.bars = make_bars(BARS)
    signals = noisy_signals()
    return workspace, workspace.record(signals=wide_table(signals), strategies=make_strategies(COUNT)), signals


def reference(signals, close, cost):
    """Sharpe ratios a bar with skewness and kurtosis, bar by bar and for all bars at once."""
    figures = []
    change = np.diff(close) / close[:-1]
    for signal in signals.T:
        traded = np.abs(np.diff(signal, prepend=0.0))[:-1]
        r = signal[:-1] * change - cost * traded
        if r.std() < 1e-14:
            figures.append(None)
            continue
        z = (r - r.mean()) / r.std()
        figures.append((r.mean() / r.std(ddof=1), (z**3).mean(), (z**4).mean()))
    return figures


def probability_above(figures, benchmark, count):
    s, skewness, kurtosis = figures
    error = (1 - skewness * s + (kurtosis - 1) / 4 * s * s) / (count - 1)
    return normal.cdf((s - benchmark) / error**0.5)


def luck(count, variance):
    euler = 0.5772156649015329
    return variance**0.5 * (
        (1 - euler) * normal.inv_cdf(1 - 1 / count) + euler * normal.inv_cdf(1 - 1 / (count * np.e))
    )


@pytest.mark.parametrize("cost_bps", [0, 2])
def test_as_numpy_has_it(run, cost_bps):
    workspace, path, signals = run
    close = workspace.bars["close"].to_numpy()
    figures = reference(signals, close, cost_bps / 1e4)
    rows = trials(workspace.signalbook, path, "--cost-bps", cost_bps, "--blocks", 4)
    summary = trials(workspace.signalbook, path, "--cost-bps", cost_bps, "--blocks", 4, summary=True)
    assert all(list(row) == COLUMNS for row in rows) and len(rows) == COUNT

    sharpes = [f[0] for f in figures if f]
    variance, count = np.var(sharpes, ddof=1), len(sharpes)
    year = summary["bars_per_year"]
    assert count == COUNT - 1 and summary["trials"] == count
    assert (summary["strategies"], summary["without_variance"], summary["bar_count"]) == (COUNT, 1, BARS)
    assert summary["sharpe_variance"] == pytest.approx(variance * year, rel=1e-9)
    by_luck = luck(count, variance)
    assert summary["expected_max_sharpe"] == pytest.approx(by_luck * year**0.5, rel=1e-9)
    pnl = signals[:-1, : COUNT - 1] * (np.diff(close) / close[:-1])[:, None]
    mean = (np.corrcoef(pnl.T).sum() - count) / (count * (count - 1))
    assert summary["mean_correlation"] == pytest.approx(mean, rel=1e-9)
    assert summary["implied_trials"] == np.ceil(mean + (1 - mean) * count)
    implied_luck = luck(summary["implied_trials"], variance)
    assert summary["implied_expected_max_sharpe"] == pytest.approx(implied_luck * year**0.5, rel=1e-9)

    shown = [row["sharpe_ratio"] for row in rows]
    assert shown[:-1] == sorted(shown[:-1], reverse=True) and shown[-1] is None
    for row in rows:
        expected = figures[int(row["strategy_id"].removeprefix("strategy_"))]
        if expected is None:
            assert all(row[name] is None for name in COLUMNS[3:8])
            continue
        assert row["sharpe_ratio"] == pytest.approx(expected[0] * year**0.5, rel=1e-9)
        assert row["probabilistic_sharpe"] == pytest.approx(probability_above(expected, 0, BARS - 1), rel=1e-9)
        assert row["deflated_sharpe"] == pytest.approx(probability_above(expected, by_luck, BARS - 1), rel=1e-9)
    best = figures[int(rows[0]["strategy_id"].removeprefix("strategy_"))]
    assert summary["best_strategy_id"] == rows[0]["strategy_id"]
    assert summary["best_deflated_sharpe"] == rows[0]["deflated_sharpe"]
    assert summary["best_implied_deflated_sharpe"] == pytest.approx(
        probability_above(best, implied_luck, BARS - 1), rel=1e-9
    )


def test_sharpe_ratios_are_those_of_the_index(run):
    workspace, path, _ = run
    workspace.signalbook.ok("analyze", path)
    query = "SELECT strategy_id, sharpe_ratio FROM strategies"
    index = {row["strategy_id"]: row["sharpe_ratio"] for row in workspace.signalbook.query(query, cwd=path)}
    assert {row["strategy_id"]: row["sharpe_ratio"] for row in trials(workspace.signalbook, path)} == index
    options = ["--cost-bps", "3", "--from", "2024-01-02T16:00:00", "--stop", "0.004"]
    workspace.signalbook.ok("analyze", path, *options, "--name", "index")
    other = {row["strategy_id"]: row["sharpe_ratio"] for row in workspace.signalbook.query(query, cwd=path)}
    rows = trials(workspace.signalbook, path, *options, "--blocks", "4")
    assert {row["strategy_id"]: row["sharpe_ratio"] for row in rows} == other != index


def test_an_edge_is_found_and_noise_is_not(workspace):
    workspace.bars = make_bars(BARS)
    strategies = make_strategies(COUNT)
    noise = workspace.record(signals=wide_table(noisy_signals()), strategies=strategies)
    outcome = workspace.signalbook.ok("analyze", noise, "--trials", "--blocks", "4")
    assert "verdict                             no evidence\n" in outcome.out
    assert "which is no evidence of an edge" in outcome.out
    edge = workspace.record(run="edge", signals=wide_table(noisy_signals(edge=0.6)), strategies=strategies)
    outcome = workspace.signalbook.ok("analyze", edge, "--trials", "--blocks", "4")
    assert "verdict                             edge\n" in outcome.out
    assert "The best of 14 strategies, strategy_0, has a Sharpe ratio of" in outcome.out
    assert "which is evidence of an edge" in outcome.out
    summary = trials(workspace.signalbook, edge, "--blocks", "4", summary=True)
    assert summary["verdict"] == "edge" and summary["best_deflated_sharpe"] > 0.95
    assert summary["overfitting_probability"] < 0.05
    (best, *_) = trials(workspace.signalbook, edge, "--blocks", "4")
    assert 2 < best["min_track_record_bars"] < BARS and best["shape"] == "peak"
    assert best["min_track_record_years"] * summary["bars_per_year"] == pytest.approx(
        best["min_track_record_bars"], abs=1
    )


def test_formats(run):
    workspace, path, _ = run
    rows = trials(workspace.signalbook, path)
    ask = ["analyze", path, "--trials", "--limit", "3"]
    csv = workspace.signalbook.ok(*ask, "--format", "csv")
    assert [row["strategy_id"] for row in parse_csv(csv.out)] == [row["strategy_id"] for row in rows[:3]]
    assert "The best of 14 strategies, " in csv.err
    assert workspace.signalbook.ok(*ask, "--format", "csv", "--quiet").err == ""
    parquet = pq.read_table(io.BytesIO(workspace.signalbook.ok(*ask, "--format", "parquet").raw)).to_pylist()
    assert parquet == rows[:3]
    markdown = workspace.signalbook.ok(*ask, "--format", "md").out.splitlines()
    assert markdown[0].split(" | ")[1] == "strategy_id" and len(markdown) == 5
    summary = trials(workspace.signalbook, path, summary=True)
    (flat,) = parse_csv(workspace.signalbook.ok(*ask, "--summary", "--format", "csv").out)
    assert list(flat) == list(summary) and flat["statement"] == summary["statement"]


def test_a_table_is_short(run):
    workspace, path, _ = run
    table = workspace.signalbook.ok("analyze", path, "--trials")
    assert "(first 10 rows; there are more)" in table.out and table.err == ""
    assert table.out.splitlines()[-1].startswith("The best of 14 strategies, ")
    assert "(14 rows)" in workspace.signalbook.ok("analyze", path, "--trials", "--limit", "20").out
    summary = workspace.signalbook.ok("analyze", path, "--trials", "--summary").out
    assert table.out.endswith("\n\n" + summary)


def test_sorted_by_a_column(run):
    workspace, path, _ = run
    rows = trials(workspace.signalbook, path)
    traded = [row for row in rows if row["sharpe_ratio"] is not None]
    assert len(traded) == COUNT - 1
    for name, order in [("kept", "desc"), ("kept", "asc"), ("SHARPE_RATIO", ""), ("strategy_id", "DESC")]:
        key = name.lower()
        with_value = [row for row in rows if row[key] is not None]
        expected = sorted(with_value, key=lambda row: row[key], reverse=order.lower() == "desc")
        expected += [row for row in rows if row[key] is None]
        assert trials(workspace.signalbook, path, "--sort-by", f"{name} {order}".strip()) == expected
    assert (
        trials(workspace.signalbook, path, "--sort-by", "kept desc", "--limit", "2")
        == trials(workspace.signalbook, path, "--sort-by", "kept desc")[:2]
    )


def test_nothing_is_changed(run):
    workspace, path, _ = run
    before = read_tree(path)
    trials(workspace.signalbook, path)
    assert read_tree(path) == before


# --- Which trials count ---


def test_what_was_tried_elsewhere_counts(run):
    workspace, path, signals = run
    more = [{"type": "other", "parameters": {"n": n}} for n in range(5)]
    others = make_signals(BARS, 7, seed=9)
    others[:, 5:] = signals[:, :2]  # two of the first run once more
    workspace.record(run="run_2", signals=wide_table(others), strategies=more + make_strategies(2))
    alone = workspace.signalbook.ok("analyze", path, "--trials", "--summary", "--format", "json")
    assert "5 more traces of the store on the same bars count as trials" in alone.err
    (alone,) = alone.json
    assert (alone["strategies"], alone["trials"], alone["without_variance"]) == (COUNT, COUNT - 1 + 5, 1)

    store = workspace.signalbook.ok("analyze", workspace.store, "--trials", "--summary", "--format", "json")
    assert "2 traces in several runs count once" in store.err and "more traces of the store" not in store.err
    (store,) = store.json
    assert (store["strategies"], store["trials"]) == (COUNT + 5, COUNT + 4)
    # Luck is that of all that was tried, whoever is looked at.
    luck = ["trials", "sharpe_variance", "expected_max_sharpe", "implied_trials", "clusters", "overfitting_probability"]
    assert [store[name] for name in luck] == pytest.approx([alone[name] for name in luck], rel=1e-12)
    rows = trials(workspace.signalbook, workspace.store)
    assert {row["run_id"] for row in rows} == {"run_1", "run_2"} and len(rows) == COUNT + 5

    chosen = trials(workspace.signalbook, workspace.store, "--type", "other", summary=True)
    assert (chosen["strategies"], chosen["trials"]) == (5, COUNT + 4)
    assert [chosen[name] for name in luck] == pytest.approx([store[name] for name in luck], rel=1e-12)
    # To pick the best by what they earned explains nothing away.
    workspace.signalbook.ok("analyze", workspace.store)
    everyone = {row["strategy_id"]: row for row in trials(workspace.signalbook, path)}
    best = max(row["sharpe_ratio"] for row in everyone.values() if row["sharpe_ratio"] is not None)
    picked = trials(workspace.signalbook, path, "--where", f"sharpe_ratio > {best * 0.9999}")
    assert len(picked) == 1 and picked[0] == everyone[picked[0]["strategy_id"]]
    for by_name in (["--run", "run_2", "--type", "other"], ["--param", "n>=0"], ["--where", "param_n IS NOT NULL"]):
        by_name = trials(workspace.signalbook, workspace.store, *by_name, summary=True)
        # Which run is read first changes the order of a sum.
        assert by_name.pop("mean_correlation") == pytest.approx(chosen["mean_correlation"], abs=1e-12)
        assert by_name == {name: value for name, value in chosen.items() if name != "mean_correlation"}
    assert trials(workspace.signalbook, workspace.store, "--run", "run_1", summary=True) == alone


def test_a_run_that_cannot_be_counted_is_named(run):
    workspace, path, _ = run
    workspace.record(run="run_2", signals=wide_table(make_signals(BARS, 3, seed=9)), strategies=make_strategies(3))
    (workspace.store / "run_2" / "strategy_index.parquet").write_bytes(b"nothing")
    for where in (path, workspace.store):
        outcome = workspace.signalbook.ok("analyze", where, "--trials", "--summary", "--format", "json")
        assert outcome.err.count("left out") == 1 and "run_2" in outcome.err, outcome
        assert outcome.json[0]["trials"] == COUNT - 1


def test_trial_count(run):
    workspace, path, _ = run
    usual = trials(workspace.signalbook, path, summary=True)
    same = trials(workspace.signalbook, path, "--trial-count", COUNT - 1, summary=True)
    assert same == usual
    more = trials(workspace.signalbook, path, "--trial-count", 1000, summary=True)
    assert more["trials"] == 1000 and more["implied_trials"] > usual["implied_trials"]
    assert more["expected_max_sharpe"] > usual["expected_max_sharpe"]
    assert more["best_deflated_sharpe"] < usual["best_deflated_sharpe"]
    refused = workspace.signalbook("analyze", path, "--trials", "--trial-count", COUNT - 2)
    assert refused.code == 2 and "12 trials, but 13 strategies" in refused.err


def test_runs_go_by_their_directories(run):
    workspace, path, _ = run
    path.rename(workspace.store / "renamed")
    assert {row["run_id"] for row in trials(workspace.signalbook, workspace.store)} == {"renamed"}


def test_two_runs_of_one_grid(run):
    """The same strategies by other code: each run is a grid of its own."""
    workspace, path, _ = run
    before = {row["strategy_hash"]: row["neighbour_sharpe"] for row in trials(workspace.signalbook, path)}
    workspace.record(run="run_2", signals=wide_table(noisy_signals(seed=8)), strategies=make_strategies(COUNT))
    rows = trials(workspace.signalbook, workspace.store)
    # Two hold all the time and nothing at all, as in the first run.
    assert len(rows) == 2 * COUNT - 2
    for number in ("run_1", "run_2"):
        counts = sorted(row["neighbours"] for row in rows if row["run_id"] == number)
        of_run = COUNT if number == "run_1" else COUNT - 2
        assert counts == [1, 1] + [2] * (of_run - 2)
    shown = {row["strategy_hash"]: row["neighbour_sharpe"] for row in rows if row["run_id"] == "run_1"}
    assert shown == before


# --- Nothing to choose from ---


def test_one_strategy(workspace):
    workspace.bars = make_bars(BARS)
    run = workspace.record(signals=wide_table(make_signals(BARS, 1)), strategies=make_strategies(1))
    (row,) = trials(workspace.signalbook, run)
    assert row["deflated_sharpe"] == row["probabilistic_sharpe"] and row["neighbours"] == 0
    summary = trials(workspace.signalbook, run, summary=True)
    assert (summary["trials"], summary["implied_trials"], summary["clusters"]) == (1, 1, 1)
    assert summary["overfitting_probability"] is None and summary["sharpe_variance"] is None
    assert "if nothing else was tried it is above 0 with a probability of 0." in summary["statement"]
    assert "no probability of overfitting" in workspace.signalbook.ok("analyze", run, "--trials").err
    unknown = trials(workspace.signalbook, run, "--trial-count", 50, summary=True)
    assert unknown["verdict"] == "undefined" and unknown["best_deflated_sharpe"] is None
    assert "the luck of 50 trials cannot be told from one" in unknown["statement"]


def test_nobody_trades(workspace):
    workspace.bars = make_bars(BARS)
    run = workspace.record(signals=wide_table(np.zeros((BARS, 3))), strategies=make_strategies(3))
    assert [row["sharpe_ratio"] for row in trials(workspace.signalbook, run)] == [None] * 3
    summary = trials(workspace.signalbook, run, summary=True)
    assert (summary["trials"], summary["without_variance"], summary["verdict"]) == (0, 3, "undefined")
    assert summary["statement"] == "Of 3 strategies none has returns that vary, so there is no best."
    table = workspace.signalbook.ok("analyze", run, "--trials")
    assert table.out.endswith(summary["statement"] + "\n")


def test_refused(run, workspace):
    _, path, _ = run
    book = workspace.signalbook

    def refuse(code, words, *options, where=path):
        outcome = book("analyze", where, *options)
        assert outcome.code == code and words in outcome.err and not outcome.raw, outcome

    refuse(1, "no signal trace fits", "--trials", "--type", "nowhere")
    refuse(1, "no signal trace fits", "--trials", "--symbol", "QQQ")
    refuse(1, "has no bar in that time", "--trials", "--from", "2031-01-01")
    refuse(2, "3 blocks: choose an even number", "--trials", "--blocks", "3")
    refuse(2, "--trials needs bars", "--trials", "--without-bars")
    refuse(2, "there is no such column; there are run_id, strategy_id", "--trials", "--sort-by", "shrpe")
    refuse(2, "--trials", "--blocks", "4")
    refuse(2, "--trials", "--summary")
    refuse(2, "--format yaml", "--trials", "--format", "yaml")
    labels = [["calm"] * 100 + ["wild"] * (BARS - 100)]
    regime = {"type": "volatility_regime", "parameters": {"period": 20}}
    regimes = workspace.record(run="regimes", strategies=[regime], signals=wide_table(labels))
    refuse(1, "classifiers earn nothing", "--trials", where=regimes)
    # Classifiers of other runs are no trials.
    assert trials(book, path, summary=True)["trials"] == COUNT - 1
    workspace.record(
        run="other_bars", bars=make_bars(BARS, seed=2), strategies=make_strategies(3),
        signals=wide_table(make_signals(BARS, 3)),
    )  # fmt: skip
    refuse(2, "has other bars in other runs", "--trials", where=workspace.store)
    assert trials(book, path, summary=True)["trials"] == COUNT - 1


# --- The demo ---


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    signalbook = Signalbook(folder)
    signalbook.ok("demo", "--quiet")
    return signalbook, folder / "demo_results" / "in_sample"


def test_the_demo_is_luck(demo):
    signalbook, run = demo
    rows = trials(signalbook, run)
    (listed,) = signalbook.query("SELECT count(*) AS n FROM strategies WHERE kind = 'signal'", cwd=run)
    assert len(rows) == listed["n"] > 300
    summary = trials(signalbook, run, summary=True)
    assert summary["verdict"] == "no evidence" and summary["clusters"] < summary["implied_trials"] < summary["trials"]
    # Two parameters have four neighbours at the most; a strategy that holds others has none to be told.
    types = {
        row["strategy_id"]: row["strategy_type"]
        for row in signalbook.query("SELECT strategy_id, strategy_type FROM strategies", cwd=run)
    }
    bands = [row for row in rows if types[row["strategy_id"]] == "bollinger_bands"]
    assert bands and {row["neighbours"] for row in bands} <= {2, 3, 4}
    assert {row["shape"] for row in rows} == {"plateau", "peak", "slope", None}


def test_the_demo_by_threads(demo):
    signalbook, run = demo
    one = signalbook.ok("analyze", run, "--trials", "--threads", "1")
    assert signalbook.ok("analyze", run, "--trials", "--threads", "3").out == one.out


def test_a_damaged_trace_is_named(run, workspace):
    _, path, _ = run
    trace = sorted((path / "traces").rglob("*.parquet"))[3]
    data = bytearray(trace.read_bytes())
    data[len(data) // 2] ^= 0xFF
    trace.write_bytes(bytes(data))
    outcome = workspace.signalbook("analyze", path, "--trials")
    assert outcome.code == 3 and trace.name in outcome.err and not outcome.raw
