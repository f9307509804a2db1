"""`record --resume` with something else than before: what is still to be recorded is never taken for recorded."""

import json
import subprocess

import pytest

from conftest import make_bars, make_strategies, read_index, read_tree

FEED = ["--bars", "bars.parquet", "--symbol", "SPY", "--timeframe", "5m"]
RUN = "results/run_1"
A, B = (json.dumps({"sma": {"window": window}}) for window in (1, 2))
ROWS = [
    {"strategy_id": "a", "idx": 0, "val": 1, "config": A},
    {"strategy_id": "b", "idx": 0, "val": 0, "config": B},
    {"strategy_id": "a", "idx": 5, "val": -1},
    {"strategy_id": "b", "idx": 6, "val": 1},
]
END = {"end": True}


@pytest.fixture
def stream(workspace):
    """Records rows of standard input into run_1."""
    workspace.write("bars.parquet", make_bars(20))

    def record(rows, *options):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        return workspace.signalbook("record", "--run", RUN, *FEED, "--signals", "-", *options, stdin=text)

    return record


def expect(outcome, code, *words):
    assert outcome.code == code, outcome
    missing = [word for word in words if word not in outcome.err + outcome.out]
    assert not missing, (missing, outcome)


# --- A run that is finished ---


def test_a_finished_run_says_where_it_ended(stream, workspace):
    expect(stream([*ROWS, END], "--code-version", "v1"), 0)
    before = read_tree(workspace.store)
    again = stream([], "--resume", "--code-version", "v1")
    expect(again, 0, "finished already")
    assert again.out.splitlines()[0] == "resume 5"
    assert read_tree(workspace.store) == before


def test_a_finished_run_does_not_swallow_what_is_new(stream, workspace):
    expect(stream([*ROWS, END], "--code-version", "v1"), 0)
    before = read_tree(workspace.store)
    expect(stream([], "--resume", "--code-version", "v2"), 2, "its code_version is v1, not v2")
    expect(stream([], "--resume", "--writer", "w2"), 2, "finished without the writer w2")
    workspace.write("strategies.json", [{"strategy_id": "c", "sma": {"window": 3}}])
    expect(stream([], "--resume", "--strategies", "strategies.json"), 2, "without strategy c", "signalbook contains")
    workspace.write("bars.parquet", make_bars(20, seed=2))
    expect(stream([], "--resume"), 2, "not recorded on these bars of SPY 5m")
    assert read_tree(workspace.store) == before


def test_a_run_that_was_recovered_incomplete(stream, workspace):
    expect(stream(ROWS[:3]), 1)
    workspace.signalbook.ok("recover", RUN)
    expect(stream([*ROWS[3:], END], "--resume"), 2, "before the input of its writer main ended", "a new run")


def test_a_run_that_was_recovered_without_what_comes(stream, workspace):
    """All traces that there are are complete, and still it is not the whole sweep."""
    expect(stream([ROWS[0], ROWS[2], {"strategy_id": "a", "end": True}]), 1)
    assert "all complete" in workspace.signalbook.ok("recover", RUN).out
    before = read_tree(workspace.store)
    rest = [ROWS[1], ROWS[3], END]
    expect(stream(rest, "--resume"), 2, "before the input of its writer main ended", "signalbook contains")
    expect(stream(rest, "--resume", "--eof-ends"), 2, "before the input of its writer main ended")
    assert read_tree(workspace.store) == before


def test_traces_that_were_cut_off(stream, workspace):
    """As of a run whose index was made anew, and which does not say who has recorded it."""
    expect(stream(ROWS[:3]), 1)
    workspace.signalbook.ok("recover", RUN)
    path = workspace.store / "run_1" / "run.json"
    description = json.loads(path.read_text())
    del description["writers"], description["sha256"]
    path.write_text(json.dumps(description))
    expect(stream([END], "--resume"), 2, "2 of its 2 traces cut off", "a new run")


# --- A run that is not ---


def test_a_whole_input_without_what_was_recorded(stream, workspace):
    expect(stream(ROWS[:1]), 1)
    signals = workspace.write("b.csv", f'strategy_id,idx,val,config\nb,0,1,"{B.replace(chr(34), chr(34) * 2)}"\n')
    outcome = workspace.signalbook("record", "--run", RUN, *FEED, "--signals", signals, "--resume")
    expect(outcome, 2, "strategy a was recorded before", "give the whole input again")
    workspace.signalbook.ok("recover", RUN)
    complete = {row["strategy_id"]: row["complete"] for row in read_index(workspace.store / "run_1")}
    assert complete["a"] is False


def test_a_missing_value_may_be_given_a_meaning_later(stream, workspace):
    rows = [*ROWS[:2], {"strategy_id": "a", "idx": 3, "val": None}]
    expect(stream(rows), 2, "--na flat", "mend row 3")
    expect(stream([rows[2], END], "--resume", "--na", "flat"), 0, "resume 2")
    again = [*rows, END]
    workspace.store.rename(workspace.folder / "resumed")
    expect(stream(again, "--na", "flat"), 0)
    assert read_tree(workspace.store) == read_tree(workspace.folder / "resumed")


def test_what_a_run_was_begun_with_stays(stream):
    expect(stream(ROWS[:2], "--tag", "k=1", "--note", "n", "--na", "hold", "--code-version", "v1"), 1)
    expect(stream([], "--resume", "--tag", "k=2"), 2, "begun with another set of tags")
    expect(stream([], "--resume", "--note", "other"), 2, "begun with another note")
    expect(stream([], "--resume", "--na", "flat"), 2, "begun with another --na")
    expect(stream([], "--resume", "--code-version", "v2"), 2, "begun with code_version v1")
    expect(stream([END], "--resume", "--tag", "k=1", "--note", "n"), 0)


def test_other_bars_are_no_row_to_be_mended(stream, workspace):
    expect(stream(ROWS[:2]), 1)
    workspace.write("bars.parquet", make_bars(20, seed=2))
    outcome = stream([END], "--resume")
    expect(outcome, 2, "these are others", "2 rows are durable")
    assert "mend row" not in outcome.err


def test_rows_behind_the_end(stream, workspace):
    outcome = stream([*ROWS, END, ROWS[0]])
    expect(outcome, 2, "the end of the stream was said: finish it with signalbook recover")
    assert "mend row" not in outcome.err
    workspace.signalbook.ok("recover", RUN)
    assert [row["complete"] for row in read_index(workspace.store / "run_1")] == [True, True]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rows_that_come_after_the_end_was_read(workspace, form):
    """They lie in the pipe when the end is read, as of `cat a b`, and are in no piece with it."""
    workspace.write("bars.parquet", make_bars(20))
    if form == "csv":
        head = "strategy_id,idx,val,config,end\na,0,1,{},\n".format('"' + A.replace('"', '""') + '"')
        end, row = ",,,,true\n", "a,5,0,,\n"
    else:
        head, end, row = (json.dumps(line) + "\n" for line in (ROWS[0], END, ROWS[2]))
    # Pieces of 128 KiB are read: the end closes the first of them.
    filler = "\n" * ((1 << 17) - len(head) - len(end))
    rows = workspace.write("rows", head + filler + end + row)
    command = [workspace.signalbook.program, "record", "--run", RUN, *FEED, "--signals", "-"]
    with open(rows, "rb") as stdin:
        done = subprocess.run(command, cwd=workspace.folder, stdin=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "row 3: there is a row behind the end of the stream" in done.stderr, done


def test_an_end_without_anything_leaves_nothing(stream, workspace):
    expect(stream([END]), 2, "there is no trace to record")
    assert not (workspace.store / "run_1").exists()


# --- Other writers ---


def test_a_writer_that_was_cut_off_is_waited_for(workspace, stream):
    """Whoever commits must not close the run over somebody who was told to go on."""
    expect(stream(ROWS[:2], "--writer", "w1"), 1)
    workspace.write("strategies.json", make_strategies(1))
    workspace.write("signals.csv", "idx,strategy_0\n0,1\n")
    given = [*FEED, "--strategies", "strategies.json", "--signals", "signals.csv"]
    outcome = workspace.signalbook("record", "--run", RUN, *given, "--resume")
    expect(outcome, 2, "w1 died before the end of its input: go on with --writer w1 --resume")
    expect(stream([*ROWS[2:], END], "--writer", "w1", "--resume"), 0, "resume 2")
    workspace.signalbook.ok("record", "--run", RUN, *given, "--resume")
    complete = {row["strategy_id"]: row["complete"] for row in read_index(workspace.store / "run_1")}
    assert complete == {"a": True, "b": True, "strategy_0": True}
