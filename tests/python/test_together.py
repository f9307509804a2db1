"""Processes at one run at the same time: each gets a whole answer, or a clear one."""

import io
import json
import shutil
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import Signalbook, make_bars, make_signals, make_strategies, read_tree

STRATEGIES, BARS = 400, 600
RUN = "results/run_1"
FEED = ["--bars", "bars.parquet", "--symbol", "SPY", "--timeframe", "5m", "--strategies", "strategies.json"]


@pytest.fixture(scope="module")
def died(tmp_path_factory):
    """A folder with a run whose producer died behind the last row but one, and what recover makes of it."""
    folder = tmp_path_factory.mktemp("died")
    signalbook = Signalbook(folder)
    pq.write_table(make_bars(BARS), folder / "bars.parquet")
    (folder / "strategies.json").write_text(json.dumps(make_strategies(STRATEGIES)))
    signals = make_signals(BARS, STRATEGIES)
    table = pa.table(
        {
            "strategy_id": [f"strategy_{i}" for i in range(STRATEGIES)] * BARS,
            "idx": [bar for bar in range(BARS) for _ in range(STRATEGIES)],
            "val": signals.ravel(),
        }
    )
    (folder / "signals.arrows").write_bytes(stream_of(table))
    rows = stream_of(table[:-1])[:-8]  # without the marker that ends a stream
    assert signalbook("record", "--run", RUN, *FEED, "--signals", "-", stdin=rows).code == 1
    shutil.copytree(folder / "results", folder / "recovered")
    signalbook.ok("recover", "recovered/run_1")
    return folder


def stream_of(table):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.fixture
def copy(died, tmp_path):
    """The unfinished run in a folder of its own."""
    shutil.copytree(died / "results", tmp_path / "results")
    for name in ["bars.parquet", "strategies.json", "signals.arrows"]:
        shutil.copy(died / name, tmp_path)
    return Signalbook(tmp_path)


class Started:
    """A command that goes on while others are started."""

    def __init__(self, signalbook, *command):
        self.process = subprocess.Popen(
            [signalbook.program, *command], cwd=signalbook.cwd, env=signalbook.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def is_running(self):
        return self.process.poll() is None

    def end(self):
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


BUSY = "is being committed or recovered by another process; wait for it"


def test_several_recoveries_at_once(copy, died):
    started = [Started(copy, "recover", RUN) for _ in range(4)]
    ends = [process.end() for process in started]
    assert any(code == 0 and "finished" in out for code, out, _ in ends), ends
    for code, out, err in ends:
        assert (code, out) == (2, "") and BUSY in err or code == 0 and ("finished" in out or "whole" in out), ends
    assert read_tree(copy.cwd / RUN) == read_tree(died / "recovered" / "run_1")


def test_recovery_beside_a_recording_that_goes_on(copy):
    """Whichever comes first: the other one is told, and the run is whole and has every trace."""
    started = [
        Started(copy, "record", "--run", RUN, *FEED, "--signals", "signals.arrows", "--resume"),
        Started(copy, "recover", RUN),
    ]
    ends = [process.end() for process in started]
    assert 0 in [code for code, _, _ in ends], ends
    for code, out, err in ends:
        assert code == 0 or code == 2 and not out and ("is being" in err or "another process" in err), ends
    (count,) = copy.query("SELECT count(*) AS traces, count(*) FILTER (complete) AS complete FROM strategies",
                          cwd=copy.cwd / RUN)  # fmt: skip
    assert count["traces"] == STRATEGIES
    copy.ok("verify", RUN)


UNFINISHED = {
    ("list", "--store", RUN): "is no finished run",
    ("show", "strategy_1", "--store", RUN): "is no finished run",
    ("trace", "strategy_1", "--store", RUN): "is no finished run",
    ("sql", "SELECT count(*) FROM strategies", "--store", RUN): "is no finished run",
    ("list", "--store", "results"): "no finished run in",
    ("index", "rebuild", RUN): "finish it with signalbook recover",
}


@pytest.mark.parametrize("command", UNFINISHED, ids=lambda command: " ".join(command[:1] + command[-2:]))
def test_a_reader_of_an_unfinished_run(copy, command):
    before = read_tree(copy.cwd / "results")
    outcome = copy(*command)
    assert outcome.code in (1, 2) and not outcome.raw and UNFINISHED[command] in outcome.err, outcome
    assert read_tree(copy.cwd / "results") == before


def test_verify_of_an_unfinished_run(copy):
    outcome = copy("verify", RUN)
    assert outcome.code == 1 and "no finished run: signalbook recover finishes it" in outcome.out, outcome


READERS = [
    (["sql", "SELECT count(*) AS n, count(DISTINCT strategy_hash) AS m FROM strategies", "--format", "csv"],
     f"n,m\n{STRATEGIES},{STRATEGIES}\n"),
    (["sql", "SELECT count(DISTINCT strategy_hash) AS n FROM traces", "--format", "csv"], f"n\n{STRATEGIES}\n"),
    (["list", "--format", "csv", "--limit", "0", "--sort-by", "strategy_id"], None),
    (["trace", "strategy_7", "--dense", "--format", "csv"], None),
    (["verify"], None),
]  # fmt: skip


@pytest.mark.parametrize("reader", range(len(READERS)))
def test_readers_during_a_commit(copy, died, reader):
    """Until the commit the run is not there, from then on it is there whole: nothing in between is ever seen."""
    command, expected = READERS[reader]
    where = [RUN] if command == ["verify"] else ["--store", RUN]
    if expected is None:
        after = where[:-1] + ["recovered/run_1"]
        shutil.copytree(died / "recovered", copy.cwd / "recovered")
        expected = copy.ok(*command, *after).out.replace("recovered", "results")
    recovery = Started(copy, "recover", RUN)
    answers = []
    while recovery.is_running():
        answers.append(copy(*command, *where))
    code, out, err = recovery.end()
    assert code == 0, (out, err)
    answers.append(copy(*command, *where))
    assert len(answers) > 1 and answers[-1].out == expected
    for answer in answers:
        if answer.out != expected:
            assert answer.code == 1 and "no finished run" in answer.out + answer.err, answer


def test_an_analysis_beside_a_recovery(copy, died):
    """It is told that the run is not finished, waits, or comes after it: what was recorded is whole, and has figures."""
    recovery = Started(copy, "recover", RUN)
    analyses = []
    while recovery.is_running() or not analyses:
        analyses.append(copy("analyze", RUN, "--cost-bps", "1"))
        assert analyses[-1].code == 0 or "no finished run" in analyses[-1].err or "recover" in analyses[-1].err, (
            analyses
        )
    code, out, err = recovery.end()
    assert code == 0 and "finished" in out, (out, err)
    started = [Started(copy, "recover", RUN), *(Started(copy, "analyze", RUN, "--cost-bps", str(i)) for i in (1, 2, 3))]
    ends = [process.end() for process in started]
    assert [code for code, _, _ in ends[1:]] == [0, 0, 0], ends
    assert ends[0][0] == 0 or BUSY in ends[0][2], ends
    copy.ok("verify", "results", "--deep")
    # Whichever came first is in the index.
    sets = copy.query("SELECT metric_set, count(total_return) AS n FROM metrics GROUP BY ALL", cwd=copy.cwd / RUN)
    assert len(sets) == 3 and "index" in {row["metric_set"] for row in sets}, sets
    assert {row["n"] for row in sets} == {STRATEGIES}
    before, after = read_tree(died / "recovered" / "run_1"), read_tree(copy.cwd / RUN)
    assert {name for name in before if before[name] != after.get(name)} == {"run.json", "strategy_index.parquet"}
