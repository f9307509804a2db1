"""Recordings that are killed, recoveries that are killed, and what `recover` and `index rebuild` say.

SIGNALBOOK_LONG_TESTS=1 kills some hundred of each.
"""

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from conftest import Signalbook, make_bars, make_signals

LONG = "SIGNALBOOK_LONG_TESTS" in os.environ
STRATEGIES, BARS = 250, 1500


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A folder with a sweep to record, large enough to be killed in the middle of it."""
    folder = tmp_path_factory.mktemp("sweep")
    pyarrow.csv.write_csv(make_bars(BARS), folder / "bars.csv")
    values = make_signals(BARS, STRATEGIES)
    names = [f"strategy_{i}" for i in range(STRATEGIES)]
    columns = {"idx": range(BARS)} | {name: values[:, i] for i, name in enumerate(names)}
    pq.write_table(pyarrow.table(columns), folder / "signals.parquet")
    (folder / "strategies.json").write_text(json.dumps([{"rsi": {"period": i}} for i in range(STRATEGIES)]))
    return folder


def arguments(sweep, run):
    given = {"--bars": "bars.csv", "--strategies": "strategies.json", "--signals": "signals.parquet"}
    files = [text for option, name in given.items() for text in (option, str(sweep / name))]
    return ["record", "--run", run, "--symbol", "SPY", "--timeframe", "5m", *files]


def kill_after(signalbook, seconds, *command):
    """Whether the command was killed before its end."""
    process = subprocess.Popen(
        [signalbook.program, *command], cwd=signalbook.cwd, env=signalbook.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def tree(folder):
    """Every file, by its path; without lost+found."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "lost+found" not in path.parts
    }


def changes(run):
    return {
        row["strategy_id"]: (
            row["complete"],
            pq.read_table(run / row["trace_path"], columns=["idx", "val"]).to_pylist(),
        )
        for row in pq.read_table(run / "strategy_index.parquet").to_pylist()
    }


@pytest.fixture(scope="module")
def whole(sweep, tmp_path_factory):
    """The sweep recorded without a disturbance, and how long that takes."""
    signalbook = Signalbook(tmp_path_factory.mktemp("whole"))
    begin = time.monotonic()
    signalbook.ok(*arguments(sweep, "results/run_1"))
    return signalbook.cwd / "results", time.monotonic() - begin


def interrupted(signalbook, sweep, whole, seed):
    """A run whose recording was killed, at another place for another seed."""
    rng = random.Random(seed)
    while True:
        shutil.rmtree(signalbook.cwd / "results", ignore_errors=True)
        kill_after(signalbook, rng.uniform(0.2, 1.0) * whole[1], *arguments(sweep, "results/run_1"))
        if (signalbook.cwd / "results" / "run_1" / ".journal").is_dir():
            return signalbook.cwd / "results"


@pytest.mark.parametrize("seed", range(60 if LONG else 4))
def test_a_killed_recording_is_finished(signalbook, sweep, whole, seed):
    results = interrupted(signalbook, sweep, whole, seed)
    before = tree(results)
    dry = signalbook("recover", "--dry-run", "results/run_1")
    assert tree(results) == before
    done = signalbook("recover", "results/run_1")
    assert dry.code == done.code and done.code in (0, 1), done
    if done.code == 1:  # killed before anything was written
        assert "moved to lost+found" in done.out and not (results / "run_1").exists()
        return
    signalbook.ok("verify", "results")
    expected = changes(whole[0] / "run_1")
    for strategy, (complete, found) in changes(results / "run_1").items():
        recorded = expected[strategy][1]
        assert found == (recorded if complete else recorded[: len(found)]), strategy
    after = tree(results)
    assert "nothing to do" in signalbook.ok("recover", "results/run_1").out
    assert tree(results) == after


def test_a_killed_recovery_is_gone_on_with(signalbook, sweep, whole):
    results = interrupted(signalbook, sweep, whole, 1)
    shutil.copytree(results, signalbook.cwd / "copy")
    begin = time.monotonic()
    first = signalbook("recover", "copy/run_1")
    duration = time.monotonic() - begin
    rng = random.Random(5)
    kills = sum(
        kill_after(signalbook, rng.uniform(0.0, 1.0) * duration, "recover", "results/run_1")
        for _ in range(100 if LONG else 6)
    )
    last = signalbook("recover", "results/run_1")
    assert last.code == first.code and kills > 0
    assert tree(results) == tree(signalbook.cwd / "copy")


def record_small(signalbook, run="results/run_1"):
    pyarrow.csv.write_csv(make_bars(20), signalbook.cwd / "bars.csv")
    (signalbook.cwd / "strategies.json").write_text('[{"rsi": {"period": 7}}, {"rsi": {"period": 14}}]')
    (signalbook.cwd / "signals.csv").write_text("strategy_id,idx,val\nstrategy_0,3,1\nstrategy_1,4,-1\n")
    feed = ["--bars", "bars.csv", "--symbol", "SPY", "--timeframe", "5m"]
    given = ["--strategies", "strategies.json", "--signals", "signals.csv"]
    signalbook.ok("record", "--run", run, *feed, *given, "--tag", "k=v")
    return signalbook.cwd / run


def test_index_rebuild_gives_the_same_bytes(signalbook):
    run = record_small(signalbook)
    before = tree(run)
    (run / "strategy_index.parquet").unlink()
    (run / "strategy_components.parquet").unlink()
    assert "made anew" in signalbook.ok("index", "rebuild", "run_1").out  # by its name in the store
    assert tree(run) == before
    assert "nothing was changed" in signalbook.ok("index", "rebuild", "results/run_1").out
    assert tree(run) == before


def test_a_damaged_trace_is_said_and_left_out(signalbook):
    run = record_small(signalbook)
    trace = next(run.rglob("traces/**/*.parquet"))
    name = str(trace.relative_to(run))
    trace.write_bytes(trace.read_bytes()[:-100])
    before = tree(run)
    done = signalbook("recover", "run_1")
    assert done.code == 3 and name in done.out and "signalbook index rebuild" in done.err
    assert tree(run) == before
    done = signalbook("index", "rebuild", "run_1")
    assert done.code == 3 and name in done.out
    place = run.parent / ".signalbook" / "lost+found" / "run_1-1"
    assert (place / name).read_bytes() == before[name]
    assert name in (place / "NOTE.txt").read_text() and "run_1/" + name in (place / "NOTE.txt").read_text()
    signalbook.ok("verify", "results")
    assert len(signalbook.query("SELECT * FROM strategies", cwd=run)) == 1


def test_a_missing_trace_is_said_and_left_out(signalbook):
    run = record_small(signalbook)
    before = tree(run)
    trace = next(run.rglob("traces/**/*.parquet"))
    name, content = str(trace.relative_to(run)), trace.read_bytes()
    trace.unlink()
    done = signalbook("recover", "run_1")
    assert done.code == 3 and f"{name}: missing" in done.out and "signalbook index rebuild" in done.err
    done = signalbook("index", "rebuild", "run_1")
    assert done.code == 3 and f"{name}: missing; left out" in done.out and "1 case of damage" in done.err
    assert signalbook("index", "rebuild", "run_1", "--quiet").code == 0
    trace.write_bytes(content)
    signalbook.ok("index", "rebuild", "run_1")
    assert tree(run) == before


def test_put_back_as_the_note_says(signalbook):
    run = record_small(signalbook)
    before = tree(run)
    trace = next(run.rglob("traces/**/*.parquet"))
    name = str(trace.relative_to(run))
    whole_bytes = trace.read_bytes()
    trace.write_bytes(whole_bytes[:-100])
    assert signalbook("index", "rebuild", "run_1").code == 3
    place = run.parent / ".signalbook" / "lost+found" / "run_1-1"
    shutil.move(place / name, run / name)
    trace.write_bytes(whole_bytes)  # a copy turned up
    signalbook.ok("index", "rebuild", "run_1")
    assert tree(run) == before


def test_every_unfinished_run_of_a_store(signalbook):
    for number in (1, 2, 3):
        record_small(signalbook, f"results/run_{number}")
    results = signalbook.cwd / "results"
    expected = tree(results)
    assert "every run is finished" in signalbook.ok("recover", "results").out
    for number in (1, 3):
        (results / f"run_{number}" / "strategy_index.parquet").unlink()
    (results / "plots").mkdir()
    (results / "plots" / "equity.png").write_text("png")
    done = signalbook.ok("recover", ".", cwd=results)
    assert "run_1: " in done.out and "run_3: " in done.out and "run_2" not in done.out
    shutil.rmtree(results / "plots")
    assert tree(results) == expected
    assert signalbook.ok("recover", "--quiet", "results").out == ""


def test_a_finished_run_that_cannot_be_read_is_found_in_its_store(signalbook):
    run = record_small(signalbook)
    index = run / "strategy_index.parquet"
    whole = index.read_bytes()
    index.write_bytes(whole[:-100])
    done = signalbook("recover", "results")
    assert done.code == 3 and "index is made anew" in done.out, done
    assert index.read_bytes() == whole
    shutil.rmtree(run.parent / "bars")
    done = signalbook("recover", "run_1")
    assert done.code == 3 and "bars/" in done.out and "everything is whole" not in done.out, done


def test_a_pipe_and_a_directory_in_the_place_of_a_journal(signalbook):
    """Nobody waits for a pipe that nobody writes to."""
    run = record_small(signalbook)
    (run / ".journal").mkdir()
    os.mkfifo(run / ".journal" / "a-0001.journal")
    (run / ".journal" / "b-0001.journal").mkdir()
    (run / ".journal" / "b-0001.journal" / "notes.txt").write_text("precious")
    for options in (["recover", "--dry-run"], ["verify"], ["recover"]):
        done = signalbook(*options, str(run))
        assert done.code == (1 if options == ["verify"] else 3), done
    kept = run.parent / ".signalbook" / "lost+found" / "run_1-1" / ".journal"
    assert (kept / "b-0001.journal" / "notes.txt").read_text() == "precious"
    assert not (run / ".journal").exists()


def test_files_that_are_no_traces_are_verified_with_their_run(signalbook):
    run = record_small(signalbook)
    bars = next((run.parent / "bars").iterdir())
    mark = run.parent / ".signalbook" / "store.json"
    own = [run / name for name in ("run.json", "strategy_index.parquet", "strategy_components.parquet")]
    for path, owner in [(path, run) for path in own] + [(bars, run.parent), (mark, run.parent)]:
        done = signalbook("verify", str(path))
        assert done.code == 2 and f"signalbook verify {owner}" in done.err and "damage" not in done.err, done
    trace = next((run / "traces").rglob("*.parquet"))
    signalbook.ok("verify", str(trace))
    shutil.copy(trace, run.parent / "bars")  # a name that no bars have
    signalbook.ok("verify", str(run.parent / "bars" / trace.name))


def test_what_an_earlier_removal_has_left(signalbook):
    run = record_small(signalbook)
    (run / ".journal.done").mkdir()
    (run / ".journal.done" / "notes.txt").write_text("precious")
    done = signalbook("verify", str(run))
    assert done.code == 1 and ".journal.done: left behind; recover removes it" in done.out, done
    assert "notes.txt" in signalbook.ok("recover", "run_1").out
    assert not (run / ".journal.done").exists()
    assert list((run.parent / ".signalbook" / "lost+found").rglob("notes.txt"))
    (run / "traces" / "a.parquet").write_text("stray")
    assert "rid of what does not belong to it" in signalbook.ok("recover", "run_1").out
    assert "nothing to do" in signalbook.ok("recover", "run_1").out


def test_a_writer_that_lives(signalbook):
    run = record_small(signalbook)
    (run / "strategy_index.parquet").unlink()
    (run / ".journal").mkdir()
    (run / ".journal" / "worker_1-0001.journal").write_bytes(b"")
    with open(run / ".journal" / "worker_1.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = tree(run)
        for options in ([], ["--dry-run"]):
            done = signalbook("recover", *options, "run_1")
            assert done.code == 2 and "worker_1" in done.err, done
        assert signalbook("index", "rebuild", "run_1").code == 2
        assert tree(run) == before
    signalbook.ok("recover", "run_1")


def test_nothing_there(signalbook):
    (signalbook.cwd / "plots").mkdir()
    (signalbook.cwd / "plots" / "equity.png").write_text("png")
    for path in ("plots", "nothing", "plots/equity.png"):
        for command in (["recover", path], ["index", "rebuild", path]):
            done = signalbook(*command)
            assert done.code == 1 and not done.out, done
    assert signalbook("recover").code == 2
    assert signalbook("index").code == 2
    assert os.listdir(signalbook.cwd / "plots") == ["equity.png"]


def test_a_run_of_temporary_files_is_set_aside(signalbook):
    """As a version without journals left it."""
    run = record_small(signalbook)
    for name in ("strategy_index.parquet", "strategy_components.parquet", "run.json"):
        (run / name).unlink()
    for trace in run.rglob("traces/**/*.parquet"):
        trace.rename(trace.with_name(trace.name + ".tmp"))
    files = tree(run)
    done = signalbook("recover", "run_1")
    assert done.code == 1 and not run.exists()
    place = run.parent / ".signalbook" / "lost+found" / "run_1-1"
    assert {name: (place / "run_1" / name).read_bytes() for name in files} == files
