"""Two strategies whose hashes are the same 12 digits are two strategies, in every file and every answer.

The pairs are real (tests/golden/collisions).
"""

import hashlib
import json

import pytest
from conftest import ROOT, make_signals, read_index, read_series, wide_table

GOLDEN = json.loads((ROOT / "tests" / "golden" / "collisions" / "collisions.json").read_text())
PAIRS = GOLDEN["pairs"]
COLLISIONS = [pair for pair in PAIRS if pair["common_digits"] >= 12]
BARS = 200


def config(period):
    return {GOLDEN["type"]: {"period": period}}


def test_the_golden_pairs(signalbook):
    assert len(COLLISIONS) == 3 and any(pair["common_digits"] > 12 for pair in COLLISIONS)
    for pair in PAIRS:
        for period, digest in zip(pair["periods"], pair["digests"]):
            canonical = f'{{"parameters":{{"period":{period}}},"type":"collide"}}'
            assert hashlib.sha256(canonical.encode()).hexdigest() == digest
            assert signalbook.ok("hash", "-", "--full", stdin=json.dumps(config(period))).out.strip() == digest
        a, b = pair["digests"]
        common = pair["common_digits"]
        assert a[:common] == b[:common] and a[common] != b[common]


@pytest.fixture
def store(workspace):
    """One collision within a run, one over two runs; the signals of all differ."""
    periods = [*COLLISIONS[0]["periods"], *COLLISIONS[2]["periods"], COLLISIONS[1]["periods"][0], 7]
    workspace.values = make_signals(BARS, len(periods))
    workspace.record(strategies=[config(p) for p in periods], signals=wide_table(workspace.values))
    workspace.record(
        run="run_2", strategies=[config(COLLISIONS[1]["periods"][1])], signals=wide_table(workspace.values[:, :1])
    )
    return workspace


def test_both_are_recorded(store):
    rows = read_index(store.store / "run_1")
    assert len(rows) == 6 and len({row["strategy_digest"] for row in rows}) == 6
    assert len({row["strategy_hash"] for row in rows}) == 4
    paths = {row["trace_path"].lower() for row in rows}
    assert len(paths) == 6 and all((store.store / "run_1" / row["trace_path"]).is_file() for row in rows)
    for i, values in enumerate(read_series(store.store / "run_1").values()):
        assert len(values) == BARS, i
    for row in rows:
        series = read_series(store.store / "run_1")["SPY", "5m", row["strategy_id"]]
        assert list(series) == list(store.values[:, int(row["strategy_id"][-1])])


@pytest.mark.parametrize("pair", COLLISIONS, ids=lambda pair: pair["digests"][0][:12])
def test_each_is_reached_by_a_longer_prefix(store, pair):
    ask = store.signalbook
    for period, digest in zip(pair["periods"], pair["digests"]):
        for digits in (pair["common_digits"] + 1, 16, 40, 64):
            for prefix in (digest[:digits], digest[:digits].upper()):
                (shown,) = ask.ok("show", prefix, "--format", "json", cwd=store.store).json
                assert shown["strategy_digest"] == digest and shown["param_period"] == period
        found = ask.ok("trace", digest[:16], "--format", "json", cwd=store.store).json
        (row,) = ask.query(f"SELECT run_id, strategy_id FROM strategies WHERE param_period = {period}", cwd=store.store)
        expected = read_series(store.store / row["run_id"])["SPY", "5m", row["strategy_id"]]
        assert all(expected[change["idx"]] == change["val"] for change in found)
        (counted,) = ask.query(
            "SELECT count(*) AS n, count(DISTINCT t.idx) AS idx FROM strategies s JOIN traces t ON t.run_id = s.run_id "
            f"AND t.sym = s.symbol AND t.strat = s.strategy_id WHERE s.param_period = {period}",
            cwd=store.store,
        )
        assert counted["n"] == counted["idx"] == len(found)
    for digits in {4, 12, pair["common_digits"]}:
        for command in (["show"], ["trace"]):
            outcome = ask(*command, pair["digests"][0][:digits], cwd=store.store)
            assert outcome.code == 2 and "fits 2 strategies" in outcome.err, outcome
            # Digits that do tell them apart, and what they are.
            for period, digest in zip(pair["periods"], pair["digests"]):
                (line,) = [x for x in outcome.err.splitlines() if f"period={period}" in x]
                shown = line.split()[0]
                assert digest.startswith(shown) and len(shown) > pair["common_digits"] and "collide" in line


def test_they_are_reported(store):
    for where, pairs in ((store.store, COLLISIONS), (store.store / "run_1", [COLLISIONS[0], COLLISIONS[2]])):
        said = store.signalbook.ok("list", cwd=where).err
        shown = [digest[:16] for pair in pairs for digest in pair["digests"]]
        assert all(digits in said for digits in shown), said
        assert f"{len(shown)} different strategies" in said
        verified = store.signalbook.ok("verify", cwd=where).out
        assert all(digits in verified for digits in shown), verified
    assert store.signalbook.ok("list", "--quiet", cwd=store.store).err == ""
    assert store.signalbook.ok("list", "--param", "period=7", cwd=store.store).err == ""
    # Also where only one of them is listed or shown.
    said = store.signalbook.ok("list", "--limit", "1", "--sort-by", "strategy_hash", cwd=store.store).err
    assert all(digest[:16] in said for digest in COLLISIONS[2]["digests"]), said
    assert not any(digest[:16] in said for digest in COLLISIONS[0]["digests"]), said
    digest, other = COLLISIONS[1]["digests"]
    said = store.signalbook.ok("show", digest[:16], cwd=store.store).err
    assert digest[:16] in said and other[:16] in said
    assert store.signalbook.ok("show", digest[:16], cwd=store.store / "run_1").err == ""


def test_diff_prints_enough_digits(store):
    for pair in COLLISIONS:
        a, b = (digest[:16] for digest in pair["digests"])
        outcome = store.signalbook("diff", a, b, cwd=store.store)
        assert outcome.code == 1 and f"{a} and {b} differ" in outcome.err
    store.record(run="run_3", strategies=[config(COLLISIONS[0]["periods"][0])], signals=wide_table(store.values[:, :1]))
    rows = store.signalbook("diff", "run_1", "run_3", "--format", "json", cwd=store.store).json
    hashes = {row["strategy_hash"] for row in rows}
    assert len(hashes) == len(rows) == 5  # of six one is in both
    # The one that is in both is not in the rows, but its neighbour is known by more digits all the same.
    assert COLLISIONS[0]["digests"][1][:16] in hashes


@pytest.mark.parametrize("pair", [p for p in PAIRS if p["common_digits"] < 12], ids=lambda pair: pair["digests"][0][:6])
def test_a_short_prefix_names_what_it_can(workspace, pair):
    values = make_signals(BARS, 2)
    run = workspace.record(strategies=[config(p) for p in pair["periods"]], signals=wide_table(values))
    for number, digest in enumerate(pair["digests"]):
        for digits in range(4, 20):
            outcome = workspace.signalbook("show", digest[:digits], "--format", "json", cwd=run)
            if digits <= pair["common_digits"]:
                assert outcome.code == 2 and all(d[:12] in outcome.err for d in pair["digests"])
            else:
                assert [row["strategy_id"] for row in outcome.json] == [f"strategy_{number}"]
    assert workspace.signalbook("show", pair["digests"][0][:3], cwd=run).code == 1
    assert workspace.signalbook.ok("list", cwd=run).err == ""
