"""`trace --trades` against a walk over the bars that knows nothing of changes."""

import json
import os

import numpy as np
import pytest

from conftest import make_bars, make_signals, make_strategies, wide_table

BARS, COUNT = 150, 6


@pytest.fixture
def run(workspace):
    workspace.bars = make_bars(BARS)
    signals = make_signals(BARS, COUNT, seed=3)
    signals[:, 5] = 0.0  # never in the market
    workspace.record(signals=wide_table(signals), strategies=make_strategies(COUNT))
    return workspace, signals


def walk(signal, bars, cost):
    """Trades of positions -1, 0 and 1, each entered and left at a close; a change on the last bar only ends one."""
    close, high, low = (bars[name].to_numpy() for name in ("close", "high", "low"))
    trades, entry = [], None
    for bar, now in enumerate(signal):
        last = bar == len(signal) - 1
        before = signal[entry] if entry is not None else 0.0
        if entry is not None and (now != before or last):
            is_open = bool(last and now == before)
            path = slice(entry + 1, bar + 1)
            worst, best = (low, high) if before > 0 else (high, low)
            trades.append(
                {
                    "entry_idx": entry,
                    "exit_idx": bar,
                    "direction": "long" if before > 0 else "short",
                    "return": (close[bar] / close[entry] - 1) * before
                    - cost * (1 + (0 if is_open else close[bar] / close[entry])),
                    "bars_held": bar - entry,
                    "mae": min(0.0, ((worst[path] / close[entry] - 1) * before).min()),
                    "mfe": max(0.0, ((best[path] / close[entry] - 1) * before).max()),
                    "is_open": is_open,
                }
            )
            entry = None
        if entry is None and now != 0 and not last:
            entry = bar
    return trades


@pytest.mark.parametrize("cost_bps", [0, 7])
def test_trades_are_those_of_a_walk(run, cost_bps):
    workspace, signals = run
    for i in range(COUNT):
        found = workspace.signalbook.ok(
            "trace", f"strategy_{i}", "--store", workspace.store, "--trades", "--cost-bps", cost_bps, "--format", "json"
        ).json  # fmt: skip
        expected = walk(signals[:, i], workspace.bars, cost_bps / 1e4)
        assert len(found) == len(expected) and (len(found) > 5 or i == 5)
        for trade, known in zip(found, expected):
            for name, value in known.items():
                if isinstance(value, float):
                    assert trade[name] == pytest.approx(value, abs=1e-12), (i, name, trade, known)
                else:
                    assert trade[name] == value, (i, name, trade, known)
            times = workspace.bars["timestamp"].to_numpy()
            assert np.datetime64(trade["entry_ts"].rstrip("Z")) == times[trade["entry_idx"]]
            assert trade["entry_px"] == workspace.bars["close"][trade["entry_idx"]].as_py()


def test_a_trace_that_was_cut_off_is_marked_where_it_ends(workspace):
    bars = workspace.write("bars.parquet", make_bars(50))
    rows = [
        {"strategy_id": "a", "idx": 3, "val": 1, "config": {"sma": {"window": 3}}},
        {"strategy_id": "a", "idx": 20, "val": 1},
    ]
    command = ["record", "--run", workspace.store / "run_1", "--bars", bars, "--symbol", "SPY", "--timeframe", "5m"]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert workspace.signalbook(*command, "--signals", "-", stdin=text).code == 1
    workspace.signalbook.ok("recover", workspace.store / "run_1")
    (trade,) = workspace.signalbook.ok("trace", "a", "--store", workspace.store, "--trades", "--format", "json").json
    assert (trade["entry_idx"], trade["exit_idx"], trade["is_open"]) == (3, 20, True)


def test_what_has_no_trades_is_refused(run):
    workspace, _ = run
    trace = ["trace", "strategy_0", "--store", workspace.store]
    outcome = workspace.signalbook(*trace, "--trades", "--dense")
    assert outcome.code == 2 and "--dense or --trades, not both" in outcome.err
    outcome = workspace.signalbook(*trace, "--cost-bps", "5")
    assert outcome.code == 2 and "--cost-bps is for --trades" in outcome.err
    (file, *_) = sorted(workspace.store.glob("run_1/traces/**/*.parquet"))
    outcome = workspace.signalbook("trace", file, "--trades")
    assert outcome.code == 2 and "--trades needs the bars" in outcome.err
    signals = 'strategy_id,idx,val,config\nregime,2,calm,"{""regime"":{}}"\n'
    workspace.record(signals=signals, run="run_2", form="csv")
    outcome = workspace.signalbook("trace", "regime", "--store", workspace.store, "--trades")
    assert outcome.code == 2 and "strategy regime" in outcome.err and "label" in outcome.err, outcome.err


# --- The view `trades` ---


def in_view(signalbook, store, condition, table="trades"):
    """The rows of the view as `trace --trades` has them."""
    return signalbook.query(
        f"SELECT entry_idx, entry_ts, entry_px, exit_idx, exit_ts, exit_px, direction, size, return, bars_held, mae, mfe, "
        f"is_open FROM {table} WHERE {condition} ORDER BY trade",
        cwd=store,
    )


def test_the_view_has_the_trades_of_a_walk(run):
    workspace, signals = run
    counts = {row["strategy_id"]: row["n"] for row in workspace.signalbook.query(
        "SELECT strategy_id, count(*) AS n FROM trades GROUP BY ALL", cwd=workspace.store)}  # fmt: skip
    expected = {f"strategy_{i}": len(walk(signals[:, i], workspace.bars, 0)) for i in range(COUNT)}
    assert counts == {name: count for name, count in expected.items() if count > 0} and len(counts) == COUNT - 1


def test_the_view_is_equal_to_trace_trades(signalbook, tmp_path):
    """Of the store of examples: some of its strategies, or all where long tests are asked for."""
    store = tmp_path / "results"
    signalbook.ok("demo", "--store", store, "--quiet")
    strategies = signalbook.query(
        "SELECT run_id, strategy_id FROM strategies WHERE kind = 'signal' ORDER BY ALL", cwd=store
    )
    assert len(strategies) > 700
    step = 1 if os.environ.get("SIGNALBOOK_LONG_TESTS") else 40
    total = 0
    for number, row in enumerate(strategies[::step]):
        cost, table = ("0", "trades") if number % 2 == 0 else ("2.5", "trades_at(2.5)")
        condition = f"run_id = '{row['run_id']}' AND strategy_id = '{row['strategy_id']}'"
        found = in_view(signalbook, store, condition, table)
        told = signalbook.ok("trace", row["strategy_id"], "--store", store / row["run_id"], "--trades", "--cost-bps", cost,
                             "--format", "json").json  # fmt: skip
        assert found == told, row
        total += len(told)
    assert total > 1000


def test_the_view_marks_a_trace_that_was_cut_off_where_it_ends(workspace):
    bars = workspace.write("bars.parquet", make_bars(50))
    rows = [
        {"strategy_id": name, "idx": idx, "val": val, "config": {"sma": {"window": len(name)}}}
        for name, idx, val in [("a", 3, 1), ("a", 20, 1), ("bb", 5, -1), ("bb", 9, 1), ("bb", 31, 1), ("ccc", 2, 1)]
    ]
    command = ["record", "--run", workspace.store / "run_1", "--bars", bars, "--symbol", "SPY", "--timeframe", "5m"]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    assert workspace.signalbook(*command, "--signals", "-", stdin=text).code == 1
    workspace.signalbook.ok("recover", workspace.store / "run_1")
    ends = set()
    for name in ("a", "bb", "ccc"):
        told = workspace.signalbook.ok("trace", name, "--store", workspace.store, "--trades", "--format", "json").json
        assert in_view(workspace.signalbook, workspace.store, f"strategy_id = '{name}'") == told
        ends |= {trade["exit_idx"] for trade in told if trade["is_open"]}
    assert len(ends) > 1 and max(ends) < 49


def test_the_view_means_the_scope(run):
    workspace, signals = run
    workspace.record(signals=wide_table(signals[:, :2]), strategies=make_strategies(2), run="run_2")
    sql = "SELECT string_agg(DISTINCT run_id, ' ' ORDER BY run_id) AS runs, count(*) AS n, min(trace_path) AS path FROM trades"
    places = {"above": workspace.folder, "store": workspace.store, "run": workspace.store / "run_2"}
    found = {place: workspace.signalbook.query(sql, cwd=cwd)[0] for place, cwd in places.items()}
    walked = [len(walk(signals[:, i], workspace.bars, 0)) for i in range(COUNT)]
    both = {"runs": "run_1 run_2", "n": sum(walked) + sum(walked[:2])}
    assert {name: found["above"][name] for name in both} == both == {name: found["store"][name] for name in both}
    assert (found["run"]["runs"], found["run"]["n"]) == ("run_2", sum(walked[:2]))
    for place, cwd in places.items():  # as read_parquet takes it from there
        assert (cwd / found[place]["path"]).is_file()


def test_the_view_names_what_is_damaged_from_where_one_stands(run):
    workspace, _ = run
    path = workspace.signalbook.query(
        "SELECT trace_path FROM strategies WHERE strategy_id = 'strategy_2'", cwd=workspace.store
    )[0]["trace_path"]
    (workspace.store / path).write_bytes((workspace.store / path).read_bytes()[:-1])
    outcome = workspace.signalbook("sql", "SELECT count(*) FROM trades", cwd=workspace.store)
    assert outcome.code == 3 and path in outcome.err and "not the bytes that were recorded" in outcome.err, outcome.err
    outcome = workspace.signalbook("sql", "SELECT count(*) FROM trades", cwd=workspace.store / "run_1")
    assert outcome.code == 3 and path.removeprefix("run_1/") in outcome.err, outcome.err
    assert in_view(workspace.signalbook, workspace.store, "strategy_id = 'strategy_1'")
