"""signalbook analyze --ensembles: composites beside what the traces of their leaves say."""

import copy
import json
import re

import numpy as np
import pytest
from conftest import ROOT, make_bars, make_signals, wide_table

BARS = 300
A, B, C = ({kind: {"period": 14}} for kind in ("momentum", "rsi", "breakout"))


def weighed(leaf, weight):
    leaf = copy.deepcopy(leaf)
    next(iter(leaf.values()))["weight"] = weight
    return leaf


def ensemble(*parts, threshold=None, **members):
    """{"strategy": [...]} of (weight, leaf)."""
    config = {"strategy": [weighed(leaf, weight) for weight, leaf in parts], **members}
    return config if threshold is None else config | {"threshold": threshold}


def vote(threshold, *parts):
    total = sum(weight * signals for weight, signals in parts)
    return np.where(np.isnan(total), np.nan, np.where(np.abs(total) > threshold + 1e-9, np.sign(total), 0.0))


@pytest.fixture
def signals():
    return dict(zip("abc", make_signals(BARS, 3, seed=5).T))


def record(workspace, said, configs, **options):
    """`said` and `configs`: strategy_id -> what it says a bar, and its configuration."""
    workspace.bars = make_bars(BARS)
    strategies = [{"strategy_id": name, **configs[name]} for name in said]
    return workspace.record(strategies=strategies, signals=wide_table(list(said.values()), list(said)), **options)


def ask(workspace, *arguments, code=0):
    """strategy_id -> its row, and what was said on standard error."""
    outcome = workspace.signalbook("analyze", *arguments, "--ensembles", "--format", "json")
    assert outcome.code == code, outcome
    assert len({row["strategy_id"] for row in outcome.json}) == len(outcome.json)
    return {row["strategy_id"]: row for row in outcome.json}, outcome.err


def verdict(row):
    return row["verdict"], row["reason"]


def test_those_of_the_demo_are_equal(signalbook):
    signalbook.ok("demo", "--store", "demo_results", "--quiet")
    rows = signalbook.ok("analyze", "demo_results", "--ensembles", "--format", "json").json
    expected = [(run, name, leaves) for run in ("in_sample", "out_of_sample") for name, leaves in
                (("strategy_361", 4), ("strategy_360", 2))]  # fmt: skip
    assert [(row["run_id"], row["strategy_id"], row["leaves"]) for row in rows] == expected
    for row in rows:
        assert (row["verdict"], row["reason"], row["rule"]) == ("equal", None, "sum > threshold")
        assert row["leaves_found"] == row["leaves"] and row["equal_bars"] == row["bars"] > 3000
        assert row["first_difference_idx"] is row["stored"] is row["recomputed"] is None
    assert "(4 rows)" in signalbook.ok("analyze", "demo_results", "--ensembles").out


def test_the_document_names_the_columns(workspace, signals):
    run = record(workspace, {"a": signals["a"], "e": signals["a"]}, {"a": A, "e": ensemble((1.0, A))})
    rows, _ = ask(workspace, run)
    section = (ROOT / "docs" / "metrics.md").read_text().split("## Ensembles")[1].split("\n## ")[0]
    table = section.split("| column | |")[1].split("\n\n")[0]
    named = [name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1] if line else "")]
    assert named == list(rows["e"])


def test_a_wrong_one_is_told_where_and_fails(workspace, signals):
    wrong = vote(0.5, (0.4, signals["a"]), (0.6, signals["b"]))
    right = wrong.copy()
    wrong[123] = 0.0 if wrong[123] else 1.0
    wrong[200] = -wrong[200] if wrong[200] else -1.0
    parts = [(0.4, A), (0.6, B)]
    configs = {"a": A, "b": B, "wrong": ensemble(*parts, threshold=0.5),
               "right": ensemble(*parts, threshold=0.5, risk_label="x")}  # fmt: skip
    run = record(workspace, {"a": signals["a"], "b": signals["b"], "wrong": wrong, "right": right}, configs)
    rows, err = ask(workspace, run, code=1)
    assert verdict(rows["right"]) == ("equal", None)
    assert verdict(rows["wrong"]) == ("differs", "from bar 123 to bar 200")
    assert "1 of 2 composites says what its leaves do not" in err
    row = rows["wrong"]
    assert (row["bars"], row["equal_bars"], row["first_difference_idx"]) == (BARS, BARS - 2, 123)
    assert (row["stored"], row["recomputed"]) == (wrong[123], right[123])
    ts = workspace.bars["timestamp"][123].as_py()
    assert row["first_difference_ts"] == ts.strftime("%Y-%m-%dT%H:%M:%SZ")
    only, _ = ask(workspace, run, "--where", "strategy_id = 'right'")
    assert list(only) == ["right"]


def test_a_leaf_is_found_in_another_run_on_the_same_bars_or_is_missing(workspace, signals):
    said = vote(0.5, (0.4, signals["a"]), (0.6, signals["b"]))
    configs = {"a": A, "b": B, "both": ensemble((0.4, A), (0.6, B), threshold="0.5")}
    record(workspace, {"a": signals["a"], "both": said}, configs)
    # On other bars it is another trace.
    on_other_bars(workspace).record(
        strategies=[{"strategy_id": "b", **B}], signals=wide_table([signals["b"]], ["b"]), run="run_2"
    )
    rows, err = ask(workspace, workspace.store / "run_1")
    assert verdict(rows["both"])[0] == "unknown"
    assert rows["both"]["reason"].startswith("1 of 2 leaves has no trace on these bars: rsi ")
    assert (rows["both"]["leaves"], rows["both"]["leaves_found"], rows["both"]["bars"]) == (2, 1, None)
    assert "of 1 composite it cannot be told" in err

    record(workspace, {"b": signals["b"]}, configs, run="run_3")
    for path in (workspace.store / "run_1", workspace.store):
        rows, _ = ask(workspace, path)
        assert verdict(rows["both"]) == ("equal", None)
        assert rows["both"]["leaves_found"] == 2


def on_other_bars(workspace):
    other = copy.copy(workspace)
    other.bars = make_bars(BARS, seed=9)
    return other


def test_a_leaf_that_broke_off(workspace, signals):
    said = vote(0.5, (0.4, signals["a"]), (0.6, signals["b"]))
    configs = {"a": A, "b": B, "both": ensemble((0.4, A), (0.6, B), threshold="0.5")}
    record(workspace, {"a": signals["a"], "both": said}, configs)
    values = [*enumerate(signals["b"][:100])]
    rows = [{"strategy_id": "b", "idx": idx, "val": val} for idx, val in values]
    rows[0]["config"] = json.dumps(B)
    stopped = workspace.signalbook(
        "record", "--run", workspace.store / "run_2", "--bars", "bars.parquet", "--symbol", "SPY", "--timeframe", "5m",
        "--signals", "-", stdin="".join(json.dumps(row) + "\n" for row in rows),
    )  # fmt: skip
    assert stopped.code == 1
    workspace.signalbook.ok("recover", workspace.store / "run_2")
    rows, _ = ask(workspace, workspace.store / "run_1")
    assert rows["both"]["verdict"] == "unknown"
    assert rows["both"]["reason"].endswith(f"ends after 100 of {BARS} bars")
    assert (rows["both"]["bars"], rows["both"]["equal_bars"]) == (100, 100)


def test_the_rule_that_fits(workspace, signals):
    a, b, c = signals.values()
    total = 0.25 * a + 0.5 * b + 0.25 * c
    parts = [(0.25, A), (0.5, B), (0.25, C)]
    said = {
        "fractions": (total, ensemble(*parts), "sum"),
        "sides": (np.sign(total), ensemble(*parts, x=1), "sign of sum"),
        "above": (vote(0.5, (1, total)), ensemble(*parts, threshold=0.5), "sum > threshold"),
        "at least": (vote(0.49, (1, total)), ensemble(*parts, threshold="0.50"), "sum >= threshold"),
    }
    assert any(vote(0.5, (1, total)) != vote(0.49, (1, total)))
    configs = {"a": A, "b": B, "c": C} | {name: config for name, (_, config, _) in said.items()}
    run = record(
        workspace, dict(zip("abc", (a, b, c))) | {name: values for name, (values, _, _) in said.items()}, configs
    )
    rows, _ = ask(workspace, run)
    assert {name: (row["verdict"], row["rule"]) for name, row in rows.items()} == {
        name: ("equal", rule) for name, (_, _, rule) in said.items()
    }


def test_why_not(workspace, signals):
    a, b, _ = signals.values()
    late = b.copy()
    late[:40] = np.nan
    a_sign = np.where(np.abs(a) > 0, a, 1.0)
    sum_of_late = 0.4 * a + 0.6 * late
    conditional = vote(0.5, (0.4, a), (0.6, b)) * (np.arange(BARS) % 7 != 0)
    intraday = vote(0.5, (0.4, a), (0.6, b)) * (np.arange(BARS) % 5 != 0)
    at_threshold = vote(0.5, (0.5, a_sign), (0.5, np.zeros(BARS)))
    at_threshold[150:] = a_sign[150:]
    zero = {"nothing": {"n": 1}}
    always = {"always": {"n": 1}}
    late_leaf = {"late": {"n": 1}}
    configs = {
        "a": A, "b": B, "late": late_leaf, "zero": zero, "always": always,
        "conditions": ensemble((0.4, A), (0.6, B), threshold="0.5 AND volume > sma(volume, 20)"),
        "constraints": ensemble((0.4, A), (0.6, B), threshold=0.5, constraints="intraday"),
        "rounding": ensemble((0.5, always), (0.5, zero), threshold=0.5),
        "warm up": ensemble((0.4, A), (0.6, late_leaf)),
        "no weight": {"strategy": [weighed(A, 0.4), B]},
        "no number": ensemble((0.4, A), (0.6, B), threshold="adx(14) > 25"),
        "chosen": {"conditional": {"if": "x", "if_true": A, "if_false": B}},
    }  # fmt: skip
    said = {
        "a": a, "b": b, "late": late, "zero": np.zeros(BARS), "always": a_sign,
        "conditions": conditional, "constraints": intraday, "rounding": at_threshold,
        "warm up": np.where(np.isnan(sum_of_late), np.where(a == 0, 1.0, 0.4 * a), sum_of_late),
        "no weight": a, "no number": a, "chosen": a,
    }  # fmt: skip
    rows, err = ask(workspace, record(workspace, said, configs), code=1)
    assert {name: verdict(row) for name, row in rows.items()} == {
        "conditions": ("unknown", 'no trace holds the conditions of threshold "0.5 AND volume > sma(volume, 20)"'),
        "constraints": ("unknown", 'no trace holds constraints "intraday"'),
        "rounding": ("differs", "only where a sum is its threshold, which rounding decides"),
        "warm up": ("differs", "only before bar 40, the first on which all leaves have said something"),
        "no weight": ("unknown", "part 1 (rsi) has no weight"),
        "no number": ("unknown", 'threshold "adx(14) > 25" begins with no number'),
        "chosen": ("unknown", "part 0 (momentum) is chosen (if_true), not weighed"),
    }
    assert "2 of 7 composites say" in err and "of 5 composites it cannot be told" in err
    row = rows["conditions"]
    assert row["stored"] == 0 and row["recomputed"] != 0 and row["first_difference_idx"] % 7 == 0
    assert BARS * 6 // 7 <= row["equal_bars"] < BARS


def test_of_no_composite_nothing_is_asked(workspace, signals):
    run = record(workspace, {"a": signals["a"]}, {"a": A})
    outcome = workspace.signalbook.ok("analyze", run, "--ensembles", "--format", "json")
    assert outcome.json == []
    assert "no strategy here has others inside it" in outcome.err


def test_positions_have_no_cost(workspace, signals):
    run = record(workspace, {"a": signals["a"]}, {"a": A})
    for option in [["--cost-bps", "1"], ["--from", "2024-01-02"], ["--stop", "0.1"]]:
        outcome = workspace.signalbook("analyze", run, "--ensembles", *option)
        assert outcome.code == 2 and "leave out cost, window and exits" in outcome.err
