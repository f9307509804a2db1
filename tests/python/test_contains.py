"""`contains`: which configurations of a sweep need not be computed again."""

import json

import pytest

from conftest import make_bars, make_signals, make_strategies, wide_table

BARS, COUNT = 60, 4
FEED = ["--symbol", "SPY", "--timeframe", "5m"]


@pytest.fixture
def recorded(workspace):
    """results/run_1 with strategies 0 to 3 of `make_strategies`, of the code v1."""
    workspace.bars = make_bars(BARS)
    workspace.record(
        "--code-version", "v1", signals=wide_table(make_signals(BARS, COUNT)), strategies=make_strategies(COUNT)
    )  # fmt: skip
    return workspace


def ask(workspace, strategies, *options, code="v1", bars=None, **popen):
    """strategy_id -> (state, run_id)"""
    path = workspace.write("asked.json", strategies)
    bars = workspace.write("asked_bars.parquet", workspace.bars if bars is None else bars)
    code = ["--code-version", code] if code else []
    where = [] if "--run" in options else ["--store", workspace.store]
    outcome = workspace.signalbook.ok(
        "contains", path, "--bars", bars, *FEED, *code, *where, "--format", "json", *options, **popen
    )  # fmt: skip
    return {row["strategy_id"]: (row["state"], row["run_id"]) for row in outcome.json}


def stream(workspace, run, rows, *options):
    """Records rows from standard input, which closes without an end of stream."""
    command = ["record", "--run", workspace.store / run, "--bars", workspace.folder / "bars.parquet", *FEED]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    return workspace.signalbook(*command, "--signals", "-", *options, stdin=text)


def test_each_state(recorded):
    complete, incomplete, new = make_strategies(7)[4:]
    rows = [
        {"strategy_id": "a", "idx": 0, "val": 1, "config": complete},
        {"strategy_id": "b", "idx": 5, "val": 1, "config": incomplete},
        {"strategy_id": "a", "end": True},
    ]
    assert stream(recorded, "run_2", rows, "--code-version", "v1").code != 0
    respelled = {"type": "sma_cross", "parameters": {"fast": 5.0, "slow": 50}}
    asked = [*make_strategies(COUNT), complete, incomplete, new, respelled]
    assert ask(recorded, asked) == {
        **{f"strategy_{i}": ("complete", "run_1") for i in range(4)},
        "strategy_4": ("complete", "run_2"),  # in its journal
        "strategy_5": ("incomplete", "run_2"),
        "strategy_6": ("missing", None),
        "strategy_7": ("other_spelling", "run_1"),
    }
    # One run alone, finished or not.
    alone = ask(recorded, asked, "--run", recorded.store / "run_2")
    assert [alone[f"strategy_{i}"][0] for i in (0, 4, 5)] == ["missing", "complete", "incomplete"]
    # Recovered, all is as it was.
    recorded.signalbook.ok("recover", recorded.store / "run_2")
    after = ask(recorded, asked)
    assert [after[f"strategy_{i}"] for i in (4, 5)] == [("complete", "run_2"), ("incomplete", "run_2")]


def test_other_code_and_other_bars_do_not_count(recorded):
    asked = make_strategies(1)
    assert ask(recorded, asked, code="v2") == {"strategy_0": ("other_code", "run_1")}
    assert ask(recorded, asked, code=None) == {"strategy_0": ("other_code", "run_1")}
    assert ask(recorded, asked, bars=make_bars(BARS, seed=2)) == {"strategy_0": ("missing", None)}
    # The same code in a second run: the better state of the two wins, whichever is read first.
    recorded.record(
        "--code-version", "v2", signals=wide_table(make_signals(BARS, 1)), strategies=asked, run="run_0"
    )  # fmt: skip
    assert ask(recorded, asked, code="v1") == {"strategy_0": ("complete", "run_1")}
    assert ask(recorded, asked, code="v2") == {"strategy_0": ("complete", "run_0")}


def test_only_the_missing_are_computed(recorded):
    """What --missing prints is a sweep again; recorded, all of it is complete."""
    asked = make_strategies(6)
    path = recorded.write("asked.json", asked)
    command = ["contains", path, "--bars", recorded.folder / "bars.parquet", *FEED, "--code-version", "v1"]
    outcome = recorded.signalbook.ok(*command, "--store", recorded.store, "--missing")
    assert outcome.err == "4 of 6 are complete\n"
    missing = [json.loads(line) for line in outcome.out.splitlines()]
    assert missing == [{**asked[i], "strategy_id": f"strategy_{i}"} for i in (4, 5)]
    rest = recorded.write("rest.jsonl", outcome.out)
    names = ["strategy_4", "strategy_5"]
    recorded.record(
        "--code-version", "v1", signals=wide_table(make_signals(BARS, 2), names), strategies=rest, run="run_2"
    )  # fmt: skip
    outcome = recorded.signalbook.ok(*command, "--store", recorded.store, "--missing")
    assert outcome.out == "" and "6 of 6" in outcome.err


def test_ids_of_the_file_are_kept(recorded):
    asked = [{"strategy_id": "mine", "rsi": {"period": 14}}]
    assert ask(recorded, asked) == {"mine": ("missing", None)}
    path = recorded.write("asked.json", asked)
    command = ["contains", path, "--bars", recorded.folder / "bars.parquet", *FEED, "--store", recorded.store]
    line = recorded.signalbook.ok(*command, "--missing").out
    assert json.loads(line) == asked[0] and line.count("strategy_id") == 1


def test_standard_input_and_a_run_by_its_name(recorded):
    command = ["contains", "-", "--bars", recorded.folder / "bars.parquet", *FEED, "--code-version", "v1"]
    command += ["--store", recorded.store, "--format", "json", "--run"]
    outcome = recorded.signalbook.ok(*command, "run_1", stdin=json.dumps(make_strategies(2)))
    assert [row["state"] for row in outcome.json] == ["complete", "complete"]
    outcome = recorded.signalbook(*command, "run_9", stdin=json.dumps(make_strategies(2)))
    assert outcome.code == 1 and "there is no run run_9" in outcome.err and not outcome.raw


def test_code_that_is_lost_is_not_taken_for_none(recorded):
    config = make_strategies(8)[7]
    rows = [{"strategy_id": "a", "idx": 0, "val": 1, "config": config}, {"strategy_id": "a", "end": True}]
    stream(recorded, "run_2", rows, "--code-version", "v9")
    (journal,) = (recorded.store / "run_2" / ".journal").glob("*.journal")
    content = bytearray(journal.read_bytes())
    content[40] ^= 1  # in its first frame
    journal.write_bytes(content)
    assert ask(recorded, [config], code=None) == {"strategy_0": ("other_code", "run_2")}
    outcome = recorded.signalbook("recover", recorded.store / "run_2")
    assert outcome.code == 3 and "lost with its first frame: code_version, tags and note" in outcome.out


def test_a_damaged_run_is_left_out_and_told(recorded):
    index = recorded.store / "run_1" / "strategy_index.parquet"
    index.write_bytes(index.read_bytes()[:-9])
    command = ["contains", recorded.write("asked.json", make_strategies(1)), "--bars"]
    command += [recorded.folder / "bars.parquet", *FEED, "--store", recorded.store, "--format", "json"]
    outcome = recorded.signalbook.ok(*command)
    assert outcome.json[0]["state"] == "missing"
    assert "left out" in outcome.err and "strategy_index.parquet" in outcome.err
    # Asked for that run alone, it is an error.
    outcome = recorded.signalbook(*command[:-4], "--run", recorded.store / "run_1")
    assert outcome.code == 3 and "strategy_index.parquet" in outcome.err


@pytest.mark.parametrize("where", ["--run", "--store"])
def test_a_warning_of_the_bars_is_no_run_that_was_left_out(recorded, where):
    lines = ["timestamp,open,high,low,close", "2024-03-26 13:30:00,1,1,1,1", "2024-03-26 13:35:00,1,1,1,1"]
    bars = recorded.write("naive.csv", "\n".join(lines) + "\n")
    place = recorded.store / "run_1" if where == "--run" else recorded.store
    command = ["contains", recorded.write("asked.json", make_strategies(1)), "--bars", bars, *FEED, where, place]
    outcome = recorded.signalbook.ok(*command)
    assert "warning: " in outcome.err and "UTC" in outcome.err and "left out" not in outcome.err, outcome.err


@pytest.mark.parametrize(
    ("strategies", "bars", "words"),
    [
        ("no.json", "bars.parquet", ["no.json"]),
        ("strategies.json", "no.parquet", ["no.parquet"]),
        ("bad.json", "bars.parquet", ["bad.json", "strategy type"]),
    ],
)
def test_bad_input(recorded, strategies, bars, words):
    recorded.write("bad.json", [{"parameters": 3}])
    folder = recorded.folder
    outcome = recorded.signalbook("contains", folder / strategies, "--bars", folder / bars, *FEED)
    assert outcome.code != 0
    assert not [word for word in words if word not in outcome.err], outcome.err
