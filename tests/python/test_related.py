"""`analyze --correlate`, `--select`, `--by-regime`, `--walk-forward` and `--out-of-sample` against NumPy on dense signals."""

import io
import json
import signal
import subprocess
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import (
    Signalbook,
    Workspace,
    make_bars,
    make_signals,
    make_strategies,
    parse_csv,
    read_index,
    read_series,
    wide_table,
)

BARS_A_YEAR = 19_656  # of the demo's 5-minute bars


class Demo:
    """The demo's run in_sample, dense."""

    def __init__(self, folder):
        self.signalbook = Signalbook(folder)
        self.signalbook.ok("demo", "--store", folder / "demo", "--quiet")
        self.store = folder / "demo"
        self.run = self.store / "in_sample"
        series = {key[2]: values for key, values in read_series(self.run).items()}
        self.labels = {name: values for name, values in series.items() if values.dtype == object}
        self.positions = {name: np.nan_to_num(v) for name, v in series.items() if name not in self.labels}
        dense = self.signalbook.ok("trace", "strategy_0", "--store", self.run, "--dense", "--format", "csv", "-q").out
        self.close = np.array([float(row["close"]) for row in parse_csv(dense)])
        self.times = [row["ts"] for row in parse_csv(dense)]
        np.testing.assert_array_equal(
            [float(row["val"] or 0) for row in parse_csv(dense)], self.positions["strategy_0"]
        )

    def ask(self, *options):
        return self.signalbook.ok("analyze", self.run, *options, "--format", "json", "--quiet").json

    def returns(self, name, cost=0.0, begin=0, end=None):
        """Of positions on the bars [begin, end), each to the next close; entered anew."""
        end = len(self.close) - 1 if end is None else end
        held = self.positions[name][begin:end]
        changed = np.abs(np.diff(held, prepend=0.0))
        return held * (self.close[begin + 1 : end + 1] / self.close[begin:end] - 1) - cost * changed


def sharpe(returns):
    deviation = returns.std(ddof=1)
    return None if deviation < 1e-13 else returns.mean() / deviation * np.sqrt(BARS_A_YEAR)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return Demo(tmp_path_factory.mktemp("demo"))


# --- Correlation and overlap ---


@pytest.mark.parametrize("kind", ["positions", "pnl"])
def test_correlation_is_that_of_numpy(demo, kind):
    names = sorted(demo.positions)
    dense = [demo.positions[name][:-1] if kind == "positions" else demo.returns(name) for name in names]
    varies = np.array([len(np.unique(values)) > 1 for values in dense])
    with np.errstate(invalid="ignore"):
        expected = np.corrcoef(np.array(dense))
    place = {name: i for i, name in enumerate(names)}
    rows = demo.ask("--correlate", kind, "--cost-bps", "5")
    assert len(rows) == len(names) * (len(names) - 1) // 2
    for row in rows:
        a, b = place[row["strategy_id_a"]], place[row["strategy_id_b"]]
        if varies[a] and varies[b]:
            assert row["correlation"] == pytest.approx(expected[a, b], abs=1e-9), row
        else:
            assert row["correlation"] is None, row
    assert {frozenset((row["strategy_id_a"], row["strategy_id_b"])) for row in rows} == {
        frozenset((a, b)) for a in names for b in names if a < b
    }
    strengths = [-1 if row["correlation"] is None else abs(row["correlation"]) for row in rows]
    assert strengths == sorted(strengths, reverse=True)
    hashes = {row["strategy_id"]: row["strategy_hash"] for row in read_index(demo.run)}
    assert all(
        (row["run_id_a"], row["run_id_b"], row["strategy_hash_a"], row["strategy_hash_b"])
        == ("in_sample", "in_sample", hashes[row["strategy_id_a"]], hashes[row["strategy_id_b"]])
        for row in rows
    )


def test_overlap_counts_bars(demo):
    rows = demo.ask("--correlate", "overlap", "--type", "bollinger_bands")
    assert len(rows) > 100
    for row in rows:
        a, b = demo.positions[row["strategy_id_a"]][:-1], demo.positions[row["strategy_id_b"]][:-1]
        either = ((a != 0) | (b != 0)).sum()
        assert either > 0
        assert row["both"] == pytest.approx(((a != 0) & (b != 0)).sum() / either, abs=1e-12)
        assert row["same_side"] == pytest.approx((a * b > 0).sum() / either, abs=1e-12)


def test_every_format_has_the_same_pairs(demo):
    def printed(*options):
        return demo.signalbook.ok("analyze", demo.run, "--correlate", "pnl", "--type", "momentum", *options)

    rows = printed("--format", "json").json
    assert len(rows) > 100
    as_text = [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    assert parse_csv(printed("--format", "csv").out) == as_text
    assert pq.read_table(io.BytesIO(printed("--format", "parquet").raw)).to_pylist() == rows
    assert printed("--format", "json", "--limit", "7").json == rows[:7]
    assert printed("--format", "json", "--limit", "0").json == []
    table = printed()
    assert len(table.out.splitlines()) == 23 and table.out.endswith("(first 20 rows; there are more)\n")
    assert "the first 20 of " in table.err
    assert len(printed("--limit", "30").out.splitlines()) == 33


def test_a_window_is_part_of_the_bars(demo):
    begin, end = 500, 900
    window = ["--from", demo.times[begin], "--to", demo.times[end]]
    rows = demo.ask("--correlate", "pnl", "--type", "momentum", *window)
    for row in rows[:50]:
        a, b = (demo.returns(row[name], begin=begin, end=end) for name in ("strategy_id_a", "strategy_id_b"))
        assert row["correlation"] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-9)


@pytest.mark.parametrize("kind", ["positions", "pnl"])
def test_selection_is_greedy(demo, kind):
    names = [row["strategy_id"] for row in sorted(read_index(demo.run), key=lambda row: row["trace_id"])]
    names = [name for name in names if name in demo.positions]
    scores = {name: sharpe(demo.returns(name, cost=2e-4)) for name in names}
    dense = {n: demo.positions[n][:-1] if kind == "positions" else demo.returns(n) for n in names}
    taken = []
    for name in sorted((n for n in names if scores[n] is not None), key=lambda n: -scores[n]):
        with np.errstate(invalid="ignore"):
            if len(taken) < 6 and all(abs(np.corrcoef(dense[name], dense[t])[0, 1]) <= 0.4 for t in taken):
                taken.append(name)
    rows = demo.ask("--select", 6, "--correlate", kind, "--max-correlation", "0.4", "--cost-bps", "2")
    assert [row["strategy_id"] for row in rows] == taken and len(taken) == 6
    assert [row["place"] for row in rows] == [1, 2, 3, 4, 5, 6]
    for i, row in enumerate(rows):
        assert row["sharpe_ratio"] == pytest.approx(scores[row["strategy_id"]], rel=1e-9)
        seen = [abs(np.corrcoef(dense[row["strategy_id"]], dense[t])[0, 1]) for t in taken[:i]]
        assert row["highest_correlation"] == (pytest.approx(max(seen), abs=1e-9) if seen else None)
    if kind == "pnl":  # which it is if nothing else is said
        assert demo.ask("--select", 6, "--max-correlation", "0.4", "--cost-bps", "2") == rows


# --- Regimes ---


def test_regimes_are_a_walk_over_the_bars(demo):
    labels = demo.labels["classifier_0"][:-1]
    names = sorted(demo.positions)[::20]
    rows = demo.ask("--by-regime", "classifier_0", "--cost-bps", "3")
    for name in names:
        returns, mine = demo.returns(name, cost=3e-4), [row for row in rows if row["strategy_id"] == name]
        found = {None if label is None else str(label) for label in labels}
        assert {row["regime"] for row in mine} == found and None in found and len(found) > 2
        assert sum(row["bars"] for row in mine) == len(returns)
        assert sum(row["bars_share"] for row in mine) == pytest.approx(1)
        assert sum(row["return_sum"] for row in mine) == pytest.approx(returns.sum(), abs=1e-12)
        held = demo.positions[name]
        entries = (held[:-1] != 0) & (np.sign(held[:-1]) != np.sign(np.concatenate([[0.0], held[:-2]])))
        for row in mine:
            here = np.array([label == row["regime"] for label in labels])
            part = returns[here]
            assert row["bars"] == here.sum()
            assert row["return_sum"] == pytest.approx(part.sum(), abs=1e-12)
            assert row["mean_return"] == pytest.approx(part.mean(), abs=1e-14)
            assert row["trade_count"] == (entries & here).sum()
            if sharpe(part) is None:
                assert row["sharpe_ratio"] is None and row["annual_volatility"] == 0
            else:
                assert row["annual_volatility"] == pytest.approx(part.std(ddof=1) * np.sqrt(BARS_A_YEAR), rel=1e-9)
                assert row["sharpe_ratio"] == pytest.approx(sharpe(part), rel=1e-8)


def test_win_rate_is_by_the_regime_at_entry(demo):
    labels = demo.labels["classifier_0"]
    trades = demo.signalbook.ok(
        "trace", "strategy_48", "--store", demo.run, "--trades", "--cost-bps", "3", "--format", "json", "-q"
    ).json
    rows = demo.ask("--by-regime", "classifier_0", "--cost-bps", "3", "--where", "strategy_id = 'strategy_48'")
    for row in rows:
        mine = [trade for trade in trades if labels[trade["entry_idx"]] == row["regime"]]
        closed = [trade for trade in mine if not trade["is_open"]]
        assert row["trade_count"] == len(mine)
        assert row["win_rate"] == pytest.approx(sum(trade["return"] > 1e-12 for trade in closed) / len(closed))


def test_a_classifier_is_found_by_every_name(demo, tmp_path):
    (by_hash,) = [row["strategy_hash"] for row in read_index(demo.run) if row["strategy_id"] == "classifier_1"]
    options = ["--type", "momentum", "--by-regime"]
    rows = demo.ask(*options, "classifier_1")
    assert rows == demo.ask(*options, by_hash) == demo.ask(*options, by_hash[:5].upper())
    assert rows != demo.ask(*options, "classifier_0")
    outcome = demo.signalbook("analyze", demo.run, *options, "market_regime")
    assert outcome.code == 2 and "classifier_0" in outcome.err and "classifier_1" in outcome.err
    outcome = demo.signalbook("analyze", demo.run, *options, "nothing")
    assert outcome.code == 1 and "there are:" in outcome.err and "classifier_1" in outcome.err
    outcome = demo.signalbook("analyze", demo.run, *options, "strategy_0")  # which earns, and says no label
    assert outcome.code == 1


def test_a_classifier_of_another_run(workspace):
    workspace.bars = make_bars(100)
    labels = ["calm"] * 40 + ["wild"] * 60
    run = workspace.record(signals=wide_table(make_signals(100, 3)), strategies=make_strategies(3))
    ask = ["analyze", run, "--format", "json", "--by-regime"]
    outcome = workspace.signalbook(*ask, "volatility")
    assert outcome.code == 1 and "there is no classifier on these bars" in outcome.err
    other = make_bars(100, seed=8)
    workspace.record(run="others", bars=other, strategies=[{"type": "volatility"}], signals=wide_table([labels]))
    outcome = workspace.signalbook(*ask, "volatility")
    assert outcome.code == 1 and "is on other bars" in outcome.err
    workspace.record(run="regimes", strategies=[{"type": "volatility"}], signals=wide_table([labels]))
    outcome = workspace.signalbook.ok(*ask, "volatility")
    assert [(row["regime"], row["bars"]) for row in outcome.json] == [("calm", 40), ("wild", 59)] * 3
    assert "in run regimes" in outcome.err
    assert workspace.signalbook.ok(*ask, "strategy_0").json == outcome.json
    from_store = workspace.signalbook.ok("analyze", workspace.store, "--run", "run_1", *ask[2:], "volatility")
    assert from_store.json == outcome.json


def test_a_classifier_that_broke_off(workspace):
    workspace.bars = make_bars(100)
    run = workspace.record(signals=wide_table(make_signals(100, 2)), strategies=make_strategies(2))
    bars = workspace.write("bars.parquet", workspace.bars)
    rows = [{"strategy_id": "c", "idx": 0, "val": "calm", "config": {"type": "volatility"}},
            {"strategy_id": "c", "idx": 60, "val": "wild"}]  # fmt: skip
    command = ["record", "--run", workspace.store / "regimes", "--bars", bars, "--symbol", "SPY", "--timeframe", "5m"]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert workspace.signalbook(*command, "--signals", "-", stdin=text).code == 1
    workspace.signalbook.ok("recover", workspace.store / "regimes")
    outcome = workspace.signalbook("analyze", run, "--by-regime", "volatility")
    assert outcome.code == 2 and "broke off before bar 61" in outcome.err and "--to" in outcome.err
    times = workspace.bars["timestamp"].to_pylist()
    workspace.signalbook.ok("analyze", run, "--by-regime", "volatility", "--to", times[61].strftime("%FT%TZ"))
    outcome = workspace.signalbook("analyze", run, "--by-regime", "volatility", "--to", times[62].strftime("%FT%TZ"))
    assert outcome.code == 2


# --- Windows ---


def windows_of(count, in_sample, out_of_sample, gap=0, anchored=False):
    """(in begin, in end, out begin, out end), as bars on which positions are held."""
    begin = in_sample + gap
    while begin < count:
        end = min(begin + out_of_sample, count)
        yield (0 if anchored else begin - gap - in_sample), begin - gap, begin, end
        begin = end


@pytest.mark.parametrize("anchored,gap", [(False, 0), (True, 10)])
def test_walking_forward_is_choosing_by_each_window(demo, anchored, gap):
    options = ["--walk-forward", "1500,900", "--gap", gap, "--cost-bps", "1", *(["--anchored"] if anchored else [])]
    rows = demo.ask(*options)
    windows = list(windows_of(len(demo.close) - 1, 1500, 900, gap, anchored))
    assert len(rows) == len(windows) > 4
    followed = []
    for number, (row, (first, last, begin, end)) in enumerate(zip(rows, windows)):
        assert row["split"] == number + 1 and row["metric"] == "sharpe_ratio"
        assert (row["in_sample_from"], row["in_sample_to"]) == (demo.times[first], demo.times[last])
        assert (row["out_of_sample_from"], row["out_of_sample_to"]) == (demo.times[begin], demo.times[end])
        assert (row["in_sample_bars"], row["out_of_sample_bars"]) == (last - first, end - begin)
        scores = {n: sharpe(demo.returns(n, 1e-4, first, last)) for n in demo.positions}
        known = {n: score for n, score in scores.items() if score is not None}
        assert known[row["strategy_id"]] == pytest.approx(max(known.values()), rel=1e-9)
        assert row["in_sample"] == pytest.approx(max(known.values()), rel=1e-9)
        scores = {n: sharpe(demo.returns(n, 1e-4, begin, end)) for n in demo.positions}
        known = {n: score for n, score in scores.items() if score is not None}
        chosen = known[row["strategy_id"]]
        assert row["out_of_sample"] == pytest.approx(chosen, rel=1e-9)
        assert row["ranked"] == len(known)
        assert row["rank"] == 1 + sum(score > chosen + 1e-9 for score in known.values())
        assert row["median"] == pytest.approx(np.median(list(known.values())), rel=1e-8, abs=1e-9)
        returns = demo.returns(row["strategy_id"], 1e-4, begin, end)
        assert row["total_return"] == pytest.approx(np.prod(1 + returns) - 1, abs=1e-12)
        followed.append(returns)
    (summary,) = demo.ask(*options, "--summary")
    returns = np.concatenate(followed)
    equity = np.concatenate([[1.0], np.cumprod(1 + returns)])
    assert summary["total_return"] == pytest.approx(equity[-1] - 1, abs=1e-12)
    assert summary["sharpe_ratio"] == pytest.approx(sharpe(returns), rel=1e-9)
    assert summary["max_drawdown"] == pytest.approx((equity / np.maximum.accumulate(equity) - 1).min(), abs=1e-12)
    assert summary["splits"] == len(rows)
    assert summary["strategies_chosen"] == len({row["strategy_id"] for row in rows})
    assert summary["out_of_sample_from"] == rows[0]["out_of_sample_from"]
    assert summary["out_of_sample_to"] == rows[-1]["out_of_sample_to"] == demo.times[-1]
    assert summary["out_of_sample_bars"] == len(returns)


def test_a_window_can_be_computed_again(workspace):
    """What --from and --to make of the times that are printed."""
    workspace.bars = make_bars(300)
    run = workspace.record(signals=wide_table(make_signals(300, 6)), strategies=make_strategies(6))
    ask = ["analyze", run, "--format", "json", "--quiet", "--cost-bps", "2", "--best", "total_return"]
    rows = workspace.signalbook.ok(*ask, "--walk-forward", "100,70").json
    assert len(rows) == 3
    for row in rows:
        for part in ("in_sample", "out_of_sample"):
            window = ["--from", row[f"{part}_from"], "--to", row[f"{part}_to"]]
            members = workspace.signalbook.ok(*ask, "--select", 6, "--max-correlation", 1, *window).json
            figures = {member["strategy_id"]: member["total_return"] for member in members}
            assert row[part] == figures[row["strategy_id"]]
            if part == "in_sample":
                assert row[part] == max(figures.values())


def test_no_choice_knows_what_comes(workspace):
    """Prices and signals behind a window are others: what was chosen in it stays, and what came of it does not."""
    bars, signals = make_bars(400), make_signals(400, 8)
    known = 220  # the last close of the second window in sample
    other_bars, other_signals = make_bars(400, seed=9).to_pydict(), make_signals(400, 8, seed=9)
    columns = bars.to_pydict()
    for name in ("open", "high", "low", "close", "volume"):
        columns[name][known + 1 :] = other_bars[name][known + 1 :]
    runs = [
        workspace.record(run="run_1", bars=bars, signals=wide_table(signals), strategies=make_strategies(8)),
        workspace.record(
            run="run_2",
            bars=bars.from_pydict(columns, schema=bars.schema),
            signals=wide_table(np.concatenate([signals[:known], other_signals[known:]])),
            strategies=make_strategies(8),
        ),
    ]
    first, second = (
        workspace.signalbook.ok("analyze", run, "--walk-forward", "160,60", "--format", "json", "-q").json
        for run in runs
    )
    names = ["in_sample_to", "strategy_id", "in_sample"]
    assert len(first) == len(second) == 4
    for i in (0, 1):
        assert [first[i][name] for name in names] == [second[i][name] for name in names]
    assert first[0]["out_of_sample"] == second[0]["out_of_sample"]
    assert first[1]["out_of_sample"] != second[1]["out_of_sample"]
    assert first[2]["in_sample"] != second[2]["in_sample"]


def test_one_split_at_a_date(demo):
    (row,) = demo.ask("--out-of-sample", "2024-04-01", "--best", "total_return", "--gap", "3")
    begin = next(i for i, time in enumerate(demo.times) if time >= "2024-04-01")
    assert row["in_sample_from"] == demo.times[0] and row["in_sample_to"] == demo.times[begin - 3]
    assert row["out_of_sample_from"] == demo.times[begin] and row["out_of_sample_to"] == demo.times[-1]
    totals = {n: np.prod(1 + demo.returns(n, 0, 0, begin - 3)) - 1 for n in demo.positions}
    assert row["in_sample"] == pytest.approx(max(totals.values()))
    returns = demo.returns(row["strategy_id"], 0, begin)
    assert row["out_of_sample"] == row["total_return"] == pytest.approx(np.prod(1 + returns) - 1)


def test_the_table_says_what_following_came_to(demo):
    options = ["analyze", demo.run, "--walk-forward", "3000,1000"]
    (summary,) = demo.ask("--walk-forward", "3000,1000", "--summary")
    last = demo.signalbook.ok(*options).out.splitlines()[-1]
    assert last.startswith("following the choice from ") and f"{summary['max_drawdown']:.4g}" in last
    assert "following" not in demo.signalbook.ok(*options, "--format", "csv").out


# --- What is undefined, and what is refused ---


def test_undefined_is_null(workspace):
    workspace.bars = make_bars(60)
    signals = make_signals(60, 4)
    signals[:, 2:] = 0.0
    run = workspace.record(signals=wide_table(signals), strategies=make_strategies(4))
    for question in (
        ["--correlate", "pnl"], ["--correlate", "positions"], ["--correlate", "overlap"], ["--select", "4"],
        ["--walk-forward", "20,10"], ["--walk-forward", "1,1"], ["--out-of-sample", "2024-01-02T16:00"],
    ):  # fmt: skip
        for summary in ([], ["--summary"] if question[0] in ("--walk-forward", "--out-of-sample") else []):
            printed = workspace.signalbook.ok("analyze", run, *question, *summary, "--format", "json").out
            json.loads(printed, parse_constant=lambda word: pytest.fail(f"{question}: {word}"))
    pairs = workspace.signalbook.ok("analyze", run, "--correlate", "pnl", "--format", "json").json
    assert [pair["correlation"] is None for pair in pairs] == [False] + [True] * 5
    (row, *_) = workspace.signalbook.ok("analyze", run, "--walk-forward", "1,1", "--format", "json").json
    assert row["strategy_id"] is None and row["in_sample"] is None and row["ranked"] == 0


@pytest.mark.parametrize(
    "options,status,words",
    [
        (["--correlate", "signs"], 2, "positions, pnl, overlap"),
        (["--correlate", "pnl", "--by-regime", "classifier_0"], 2, "ask one at a time"),
        (["--walk-forward", "10,10", "--out-of-sample", "2024-04-01"], 2, "ask one at a time"),
        (["--correlate", "overlap", "--select", "3"], 2, "--correlate positions"),
        (["--select", "3", "--best", "sharp"], 2, "sharpe_ratio, sortino_ratio"),
        (["--correlate", "pnl", "--where", "strategy_id = 'strategy_1'"], 2, "one strategy only"),
        (["--correlate", "pnl", "--stop", "0.01"], 2, "leave it out"),
        (["--correlate", "pnl", "--from", "2031-01-01"], 1, "its traces are from 2024-01-02"),
        (["--correlate", "pnl", "--to", "2024-01-02T14:30"], 1, "one bar"),
        (["--walk-forward", "5000"], 2, "give IN,OUT"),
        (["--walk-forward", "5000,"], 2, "give IN,OUT"),
        (["--walk-forward", "0,10"], 2, "give IN,OUT"),
        (["--walk-forward", "6473,10"], 2, "choose a shorter window in sample"),
        (["--out-of-sample", "soon"], 2, "--out-of-sample soon"),
        (["--out-of-sample", "2024-01-01"], 1, "no bar in sample"),
        (["--out-of-sample", "2025-01-01"], 1, "no bar out of sample"),
        (["--anchored"], 2, "--anchored goes with --walk-forward"),
        (["--out-of-sample", "2024-04-01", "--anchored"], 2, "--anchored goes with --walk-forward"),
        (["--max-correlation", "0.5"], 2, "--select"),
        (["--best", "sharpe_ratio"], 2, "--best goes with"),
        (["--by-regime", "classifier_0", "--summary"], 2, "--summary goes with"),
        (["--by-regime", "classifier_0", "--name", "mine"], 2, "--name"),
        (["--type", "market_regime", "--correlate", "pnl"], 1, "classifiers earn nothing"),
    ],
)
def test_refused(demo, options, status, words):
    before = sorted(demo.run.iterdir())
    outcome = demo.signalbook("analyze", demo.run, *options)
    assert (outcome.code, outcome.out) == (status, "")
    assert words in outcome.err, outcome.err
    assert sorted(demo.run.iterdir()) == before


def test_several_runs_on_the_same_bars(workspace):
    """Strategies of two runs stand side by side; what both have counts once."""
    workspace.bars = make_bars(120)
    signals, strategies = make_signals(120, 5), make_strategies(5)
    workspace.record(run="a", signals=wide_table(signals[:, :3]), strategies=strategies[:3])
    workspace.record(run="b", signals=wide_table(signals[:, 2:]), strategies=strategies[2:])
    workspace.record(run="all", signals=wide_table(signals), strategies=strategies)
    ask = ["analyze", workspace.store, "--correlate", "pnl", "--format", "json"]
    both = workspace.signalbook.ok(*ask, "--run", "a", "--run", "b").json
    alone = workspace.signalbook.ok(*ask, "--run", "all").json

    def by_hash(rows):
        return {frozenset((r["strategy_hash_a"], r["strategy_hash_b"])): r["correlation"] for r in rows}

    assert by_hash(both) == by_hash(alone) and len(both) == 10
    assert {row["run_id_a"] for row in both} | {row["run_id_b"] for row in both} == {"a", "b"}


def test_an_interrupt_ends_a_question(demo):
    """One that would take minutes, as soon as the program has said that it listens."""
    command = [demo.signalbook.program, "analyze", demo.run, "--walk-forward", "20,1", "--anchored", "--format", "csv"]
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=demo.signalbook.environment)
    caught = 0
    while asking.poll() is None and not caught >> (signal.SIGINT - 1) & 1:
        with open(f"/proc/{asking.pid}/status", encoding="utf-8") as status:
            caught = next((int(line.split()[1], 16) for line in status if line.startswith("SigCgt")), 0)
        time.sleep(0.001)
    asking.send_signal(signal.SIGINT)
    out, err = asking.communicate(timeout=60)
    assert (asking.returncode, out, err) == (130, b"", b"")
