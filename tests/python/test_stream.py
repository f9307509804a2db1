"""Signals from standard input while they are produced: what is acknowledged, what a cut leaves, and how it goes on."""

import csv
import io
import json
import os
import queue
import signal
import subprocess
import threading

import numpy as np
import pyarrow as pa
import pytest
from conftest import Signalbook, Workspace, make_bars, make_signals, make_strategies, read_index, read_tree, wide_table

LONG = "SIGNALBOOK_LONG_TESTS" in os.environ
PATIENCE = 60  # seconds until a program that says nothing is taken for dead; nothing here measures time
FORMS = ["csv", "jsonl", "arrow"]
BARS = 12


def config_of(number):
    return json.dumps({"type": "sma", "parameters": {"window": number, "text": 'a "quote",\na line'}}, indent=1)


def bar_by_bar(strategy_count=3, bar_count=BARS):
    """Rows of a sweep that runs bar by bar over all strategies; each brings its configuration with its first row."""
    signals = make_signals(bar_count, strategy_count, seed=7)
    return [
        {"strategy_id": f"s{i}", "idx": bar, "val": signals[bar, i], "config": config_of(i) if bar == 0 else None}
        for bar in range(bar_count)
        for i in range(strategy_count)
    ]


def rows_of(signals):
    """The same of a matrix [bars, strategies], for strategies of a file."""
    return [
        {"strategy_id": f"strategy_{i}", "idx": bar, "val": value}
        for bar, values in enumerate(signals.tolist())
        for i, value in enumerate(values)
    ]


class Encoder:
    """Rows as the bytes of one of the formats; what begins a stream, then pieces, then what ends it."""

    SCHEMA = pa.schema(
        {"strategy_id": pa.string(), "idx": pa.int64(), "val": pa.float64(), "config": pa.string(), "end": pa.bool_()}
    )

    def __init__(self, form, names=tuple(SCHEMA.names)):
        self.form, self.names = form, names
        self.sink = io.BytesIO()
        if form == "arrow":
            self.writer = pa.ipc.new_stream(self.sink, self.SCHEMA)
        elif form == "csv":
            csv.writer(self.sink_text(), lineterminator="\n").writerow(names)

    def sink_text(self):
        sink = self.sink

        class Text:
            def write(self, text):
                sink.write(text.encode())

        return Text()

    def take(self):
        content = self.sink.getvalue()
        self.sink.seek(0)
        self.sink.truncate()
        return content

    def rows(self, rows):
        """The bytes of these rows; before the first ones stands what begins the stream."""
        if self.form == "arrow":
            if rows:
                self.writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=self.SCHEMA))
        elif self.form == "csv":
            writer = csv.DictWriter(self.sink_text(), self.names, lineterminator="\n")
            for row in rows:
                writer.writerow({key: str(value).lower() if value is True else value for key, value in row.items()})
        else:
            for row in rows:
                self.sink.write(json.dumps({k: v for k, v in row.items() if v is not None}).encode() + b"\n")
        return self.take()

    def end(self):
        if self.form == "arrow":
            self.writer.close()
            return self.take()
        return self.rows([{"end": True}])


def encode(rows, form, end=True):
    encoder = Encoder(form)
    return encoder.rows(rows) + (encoder.end() if end else b"")


class Recording:
    """`record --signals -` at work, fed through a real pipe."""

    def __init__(self, workspace, *options, run="run_1", bars=None, strategies=None):
        workspace.write("bars.parquet", make_bars(BARS) if bars is None else bars)
        signalbook = workspace.signalbook
        arguments = ["record", "--run", workspace.store / run, "--bars", "bars.parquet", "--symbol", "SPY"]
        arguments += ["--timeframe", "5m", "--signals", "-"]
        if strategies is not None:
            workspace.write("strategies.json", strategies)
            arguments += ["--strategies", "strategies.json"]
        self.process = subprocess.Popen(
            [signalbook.program, *map(str, arguments), *options],
            cwd=workspace.folder, env=signalbook.environment, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.lines = queue.Queue()
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in io.TextIOWrapper(self.process.stdout):
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self):
        """The next line of standard output; None at its end."""
        return self.lines.get(timeout=PATIENCE)

    def send(self, content):
        self.process.stdin.write(content)

    def wait_for_acknowledgement(self, count):
        """Until so many rows are acknowledged, while the pipe stays open."""
        numbers = [0]
        while numbers[-1] < count:
            word, number = self.line().split()
            assert word == "acknowledged" and int(number) > numbers[-1]
            numbers.append(int(number))
        assert numbers[-1] == count, numbers

    def finish(self):
        """Closes the pipe; returns exit status, the lines that are left, and standard error."""
        self.process.stdin.close()
        code = self.process.wait(timeout=PATIENCE)
        lines = []
        while (line := self.line()) is not None:
            lines.append(line)
        return code, lines, self.process.stderr.read().decode()

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.finish()


@pytest.fixture
def places(tmp_path):
    """Workspaces, as many as needed: run_1 of one is to be run_1 of another, byte by byte."""
    numbers = iter(range(10_000))

    def make():
        folder = tmp_path / f"w{next(numbers)}"
        folder.mkdir()
        return Workspace(folder, Signalbook(folder))

    return make


def record_stream(workspace, content, *options, **given):
    recording = Recording(workspace, *options, **given)
    recording.send(content)
    return recording.finish()


def expected_of(places, rows, form="csv"):
    """The run of these rows from a stream that nothing interrupts; but for the count of rows it is that of a file."""
    workspace = places()
    code, _, err = record_stream(workspace, encode(rows, form))
    assert code == 0, err
    table = pa.Table.from_pylist(rows, schema=Encoder.SCHEMA).drop_columns(["end"])
    other = places().record(bars=make_bars(BARS), signals=table, form="parquet")
    assert without_position(run_of(workspace)) == without_position(read_tree(other))
    return run_of(workspace)


def run_of(workspace, run="run_1"):
    return read_tree(workspace.store / run)


def without_position(tree):
    description = json.loads(tree["run.json"])
    for writer in description["writers"]:
        del writer["position"]
    description.pop("sha256", None)  # of run.json itself
    return tree | {"run.json": description}


# --- Whole streams ---


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_is_the_file_of_its_rows(places, form):
    rows = bar_by_bar()
    expected = expected_of(places, rows, form)
    encoder = Encoder(form)
    pieces = [encoder.rows(rows[i : i + 1]) for i in range(len(rows))] + [encoder.end()]
    whole = b"".join(pieces)
    for chunks in [[whole], pieces, [whole[i : i + 7] for i in range(0, len(whole), 7)]]:
        workspace = places()
        recording = Recording(workspace)
        for chunk in chunks:
            recording.send(chunk)
        code, lines, err = recording.finish()
        assert code == 0 and lines[0].startswith("recorded ") and not err, (lines, err)
        assert run_of(workspace) == expected


def test_labels_and_numbers(places):
    rows = [{"strategy_id": "n", "idx": 0, "val": 1, "config": {"rsi": {}}},
            {"strategy_id": "l", "idx": 0, "val": "1", "config": '{"regime": {}}'},
            {"strategy_id": "l", "idx": 3, "val": "b"}, {"strategy_id": "n", "idx": 4, "val": -0.5}]  # fmt: skip
    workspace = places()
    code, _, err = record_stream(workspace, "".join(json.dumps(r) + "\n" for r in [*rows, {"end": True}]).encode())
    assert code == 0, err
    kinds = {row["strategy_id"]: (row["kind"], row["change_count"]) for row in read_index(workspace.store / "run_1")}
    assert kinds == {"n": ("signal", 2), "l": ("classifier", 2)}


@pytest.mark.parametrize("form", FORMS)
def test_the_end_of_the_input_where_that_is_said(places, form):
    rows = bar_by_bar()
    content = encode(rows, form, end=False)
    if form != "arrow":
        content = content.removesuffix(b"\n")  # a last line without an end is whole then
    workspace = places()
    code, _, err = record_stream(workspace, content, "--eof-ends")
    assert code == 0, err
    assert without_position(run_of(workspace)) == without_position(expected_of(places, rows))


@pytest.mark.parametrize("form", ["csv", "arrow"])
@pytest.mark.parametrize("names_bars", [True, False])
def test_wide_streams(places, form, names_bars):
    """A row a bar over all strategies; with the last bar it ends by itself, since nothing can follow."""
    signals = make_signals(BARS, 5, seed=3)
    columns = {"idx": list(range(BARS))} if names_bars else {}
    table = wide_table(signals, **columns)
    reference = places()
    run = reference.record(bars=make_bars(BARS), strategies=make_strategies(5), signals=table)
    expected = without_position(read_tree(run))
    pieces = wide_pieces(table, form)
    for cut in range(0, BARS + 1) if LONG else (0, 1, 7, BARS):
        workspace = places()
        code, lines, err = record_stream(workspace, b"".join(pieces[: cut + 1]), strategies=make_strategies(5))
        assert code == (0 if cut == BARS else 1), err
        if cut < BARS:
            recording = Recording(workspace, "--resume", strategies=make_strategies(5))
            assert recording.line() == f"resume {cut}"
            recording.send(b"".join([pieces[0], *pieces[cut + 1 :]]))
            code, lines, err = recording.finish()
            assert code == 0, err
        assert without_position(run_of(workspace)) == expected, cut


def wide_pieces(table, form):
    """What begins the stream, then a piece a row."""
    if form == "arrow":
        sink = io.BytesIO()
        writer = pa.ipc.new_stream(sink, table.schema)
        ends = [table.schema.serialize().size]  # which is written with the first batch
        for batch in table.to_batches(max_chunksize=1):
            writer.write_batch(batch)
            ends.append(sink.tell())
        content = sink.getvalue()
        return [content[a:b] for a, b in zip([0, *ends], ends)]
    rows = [table.column_names, *zip(*(column.to_pylist() for column in table.columns))]
    return [",".join(map(str, row)).encode() + b"\n" for row in rows]


def test_a_wide_stream_that_ends_early(places):
    workspace = places()
    names = [f"strategy_{i}" for i in range(2)]
    content = f"idx,{','.join(names)},end\n0,1,1,\n4,-1,0,\n,,,true\n".encode()
    code, _, err = record_stream(workspace, content, strategies=make_strategies(2))
    assert code == 0, err
    assert [row["complete"] for row in read_index(workspace.store / "run_1")] == [True, True]


# --- Acknowledgements ---


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_acknowledged_while_the_pipe_is_open(places, form):
    rows, workspace, encoder = bar_by_bar(), places(), Encoder(form)
    recording = Recording(workspace, "--ack")
    for count, row in enumerate(rows[:6], 1):
        recording.send(encoder.rows([row]))
        recording.wait_for_acknowledgement(count)
    recording.send(encoder.rows(rows[6:]) + encoder.end())
    code, lines, err = recording.finish()
    assert code == 0, err
    numbers = [int(line.split()[1]) for line in lines[:-1]]
    total = len(rows) + (form != "arrow")  # the row that ends the stream is one
    assert numbers == sorted(set(numbers)) and numbers[-1] == total and lines[-1].startswith("recorded ")
    assert run_of(workspace) == expected_of(places, rows, form)


@pytest.mark.parametrize("how", ["closed", "torn", "wrong", "interrupted"])
def test_what_is_durable_at_an_early_end_is_acknowledged(places, how):
    """Rows that came just before the end are made durable by it, and whoever waits for them hears so."""
    rows, workspace, encoder = bar_by_bar(), places(), Encoder("csv")
    recording = Recording(workspace, "--ack")
    recording.send(encoder.rows(rows[:2]))
    recording.wait_for_acknowledgement(2)
    recording.send(encoder.rows(rows[2:5]) + {"torn": b"s0,3", "wrong": b"s0,3,inf,,\n"}.get(how, b""))
    if how == "interrupted":
        recording.process.send_signal(signal.SIGINT)
        recording.process.wait(timeout=PATIENCE)
    code, lines, err = recording.finish()
    resumed = Recording(workspace, "--resume")
    durable = int(resumed.line().split()[1])
    resumed.kill()
    assert code == {"closed": 1, "torn": 1, "wrong": 2, "interrupted": 130}[how]
    assert durable == 5 or how == "interrupted"  # which may come before the rows are read
    assert lines == ([f"acknowledged {durable}"] if durable > 2 else []), (lines, err)


def test_nothing_acknowledged_is_lost_by_kill(places):
    """What has been acknowledged is what `resume` begins behind, at the least; the rest gives the same bytes."""
    rows = bar_by_bar()
    expected = expected_of(places, rows)
    for count in range(1, len(rows), 1 if LONG else 8):
        workspace, encoder = places(), Encoder("csv")
        recording = Recording(workspace, "--ack")
        recording.send(encoder.rows(rows[:count]))
        recording.wait_for_acknowledgement(count)
        recording.send(encoder.rows(rows[count : count + 2]))  # these may be lost, or not
        code, _, _ = recording.kill()
        assert code == -signal.SIGKILL and not (workspace.store / "run_1" / "strategy_index.parquet").exists()
        recording = Recording(workspace, "--resume")
        word, number = recording.line().split()
        assert word == "resume" and count <= int(number) <= count + 2
        recording.send(encode(rows[int(number) :], "csv"))
        code, _, err = recording.finish()
        assert code == 0, err
        assert run_of(workspace) == expected


def test_standard_output_that_breaks(places):
    rows, workspace, encoder = bar_by_bar(), places(), Encoder("csv")
    recording = Recording(workspace, "--ack")
    recording.send(encoder.rows(rows[:2]))
    recording.wait_for_acknowledgement(2)
    recording.kill()
    recording = reopen_without_reader(workspace, encode(rows[:5], "csv", end=False), run="run_2")
    assert recording.returncode == 4
    assert b"cannot write to standard output" in recording.stderr and b"5 rows are durable" in recording.stderr
    again = Recording(workspace, "--resume", run="run_2")
    assert again.line() == "resume 5"
    again.send(encode(rows[5:], "csv"))
    assert again.finish()[0] == 0


def reopen_without_reader(workspace, content, run):
    """Records with a standard output that nobody reads any more."""
    read, write = os.pipe()
    os.close(read)
    arguments = ["record", "--run", workspace.store / run, "--bars", "bars.parquet", "--symbol", "SPY", "--timeframe",
                 "5m", "--signals", "-", "--ack"]  # fmt: skip
    with os.fdopen(write, "wb"):
        process = subprocess.Popen(
            [workspace.signalbook.program, *map(str, arguments)], cwd=workspace.folder,
            env=workspace.signalbook.environment, stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE,
            bufsize=0,
        )  # fmt: skip
        process.stdin.write(content)
        process.wait(timeout=PATIENCE)  # the pipe is still open: it ends because nobody hears it
        process.stderr_text = process.stderr.read()
        process.stdin.close()
    return subprocess.CompletedProcess(arguments, process.returncode, stderr=process.stderr_text)


# --- Streams that are cut off ---


@pytest.mark.parametrize("form", FORMS)
def test_cut_at_every_row_and_resumed(places, form):
    rows = bar_by_bar()
    expected = expected_of(places, rows, form)
    for cut in range(1, len(rows) + 1, 1 if LONG or form == "csv" else 7):
        workspace = places()
        code, lines, err = record_stream(workspace, encode(rows[:cut], form, end=False))
        assert code == 1 and not lines, (lines, err)
        count = "1 row is" if cut == 1 else f"{cut} rows are"
        assert f"closed before the end of the stream was said; {count} durable: go on with --resume" in err
        assert "signalbook recover" in err
        recording = Recording(workspace, "--resume")
        assert recording.line() == f"resume {cut}"
        recording.send(encode(rows[cut:], form))
        code, lines, err = recording.finish()
        assert code == 0 and not err, err
        assert run_of(workspace) == expected


@pytest.mark.parametrize("form", FORMS)
def test_cut_inside_a_row(places, form):
    rows = bar_by_bar()
    workspace, encoder = places(), Encoder(form)
    before = b"".join(encoder.rows(rows[i : i + 1]) for i in range(4))
    code, _, err = record_stream(workspace, before + encoder.rows(rows[4:5])[:5])
    assert code == 1 and "in the middle of row 5, which is dropped" in err and "4 rows are durable" in err
    recording = Recording(workspace, "--resume")
    assert recording.line() == "resume 4"
    recording.send(encode(rows[4:], form))
    assert recording.finish()[0] == 0
    assert run_of(workspace) == expected_of(places, rows, form)


def test_nothing_came(places):
    for content in [b"", b"strategy_id,idx,val\n", b"strategy_id,id"]:
        workspace = places()
        code, lines, err = record_stream(workspace, content)
        assert code == 1 and "closed before" in err and not lines
        assert not (workspace.store / "run_1").exists()
    code, _, err = record_stream(places(), b"", "--eof-ends")
    assert code == 2 and "standard input: it is empty" in err


def test_resume_where_nothing_was_begun(places):
    rows, workspace = bar_by_bar(), places()
    recording = Recording(workspace, "--resume")
    assert recording.line() == "resume 0"
    recording.send(encode(rows, "csv"))
    assert recording.finish()[0] == 0
    assert run_of(workspace) == expected_of(places, rows)


def test_resume_of_a_finished_run(places):
    rows, workspace = bar_by_bar(), places()
    assert record_stream(workspace, encode(rows, "csv"))[0] == 0
    before = run_of(workspace)
    recording = Recording(workspace, "--resume")
    code, lines, err = recording.finish()
    assert code == 0 and lines[0] == f"resume {len(rows) + 1}" and "is finished already" in lines[1] and not err
    assert run_of(workspace) == before


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(places, number, status):
    rows, workspace, encoder = bar_by_bar(), places(), Encoder("csv")
    recording = Recording(workspace, "--ack")
    recording.send(encoder.rows(rows[:4]))
    recording.wait_for_acknowledgement(4)
    recording.process.send_signal(number)
    assert recording.process.wait(timeout=PATIENCE) == status  # though the pipe is open and silent
    _, lines, err = recording.finish()
    assert not lines
    assert "interrupted: 4 rows are durable; go on with the same command and --resume" in err
    recording = Recording(workspace, "--resume")
    assert recording.line() == "resume 4"
    recording.send(encode(rows[4:], "csv"))
    assert recording.finish()[0] == 0
    assert run_of(workspace) == expected_of(places, rows)


# --- The whole input again ---


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
@pytest.mark.parametrize("shape", ["long", "wide"])
def test_the_whole_input_after_a_kill(places, shape, form):
    """Whatever a killed recording has left, the same command with --resume ends with the same bytes."""
    bars, count = make_bars(3000), 40
    signals = make_signals(3000, count, seed=5)
    table = wide_table(signals, idx=np.arange(3000))
    if shape == "long":
        ids = np.tile([f"strategy_{i}" for i in range(count)], 3000)
        idx = np.repeat(np.arange(3000), count)
        table = pa.table({"strategy_id": ids, "idx": idx, "val": signals.ravel()})
    given = {"bars": bars, "strategies": make_strategies(count), "signals": table, "form": form}
    expected = read_tree(places().record(**given))
    for number in [signal.SIGKILL, signal.SIGINT]:
        workspace = places()
        workspace.write("bars.parquet", bars)
        workspace.write("strategies.json", given["strategies"])
        signals_path = workspace.write(f"signals.{form}", table)
        arguments = ["record", "--run", workspace.store / "run_1", "--bars", "bars.parquet", "--symbol", "SPY",
                     "--timeframe", "5m", "--strategies", "strategies.json", "--signals", signals_path]  # fmt: skip
        r = np.random.default_rng(len(form) + number)
        for _ in range(10 if LONG else 3):
            process = subprocess.Popen(
                [workspace.signalbook.program, *map(str, arguments), "--resume"], cwd=workspace.folder,
                env=workspace.signalbook.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            try:
                process.wait(timeout=r.uniform(0.01, 0.25))
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
            assert process.returncode in (0, -number, 128 + number), err
            if process.returncode == 128 + number:
                assert b"durable; go on with the same command and --resume" in err
        outcome = workspace.signalbook(*arguments, "--resume")
        assert outcome.code == 0, outcome
        assert run_of(workspace) == expected


@pytest.mark.parametrize("shape", ["long", "wide"])
def test_the_whole_input_behind_a_stream(places, shape):
    """A stream that was cut goes on from a file, which begins with the first row."""
    signals = make_signals(BARS, 3, seed=7)
    strategies = make_strategies(3)
    wide = wide_table(signals, idx=range(BARS))
    expected = read_tree(places().record(bars=make_bars(BARS), strategies=strategies, signals=wide))
    rows = rows_of(signals)
    for form in ["csv", "parquet", "arrow"]:
        workspace = places()
        code, _, err = record_stream(workspace, encode(rows[:17], "csv", end=False), strategies=strategies)
        assert code == 1, err
        table = wide if shape == "wide" else pa.Table.from_pylist(rows)
        run = workspace.record("--resume", bars=make_bars(BARS), strategies=strategies, signals=table, form=form)
        assert read_tree(run) == expected


@pytest.mark.parametrize("shape", ["long", "wide"])
@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_another_value_on_the_last_bar(places, shape, form):
    signals = make_signals(BARS, 3, seed=7)
    strategies = make_strategies(3)
    rows = rows_of(signals)
    workspace = places()
    assert record_stream(workspace, encode(rows[:17], "csv", end=False), strategies=strategies)[0] == 1
    signals[5, 1] += 1  # row 17 is bar 5 of strategy_1
    table = wide_table(signals, idx=range(BARS))
    if shape == "long":
        table = pa.Table.from_pylist([row | {"val": signals[row["idx"], int(row["strategy_id"][-1])]} for row in rows])
    before = run_of(workspace).keys()
    outcome = workspace.attempt("--resume", bars=make_bars(BARS), strategies=strategies, signals=table, form=form)
    assert outcome.code == 2 and "strategy_1" in outcome.err and "bar 5" in outcome.err, outcome
    assert "what was recorded before is kept" in outcome.err
    assert before <= run_of(workspace).keys()


# --- Rows that are wrong ---

BAD_ROWS = [
    ("csv", b"s0,1\n", "row 4: "),
    ("csv", b"s0,1,x y z,,,\n", "row 4: "),
    ("csv", b"nobody,1,1,,\n", "row 4: strategy 'nobody' has no configuration"),
    ("csv", b"s0,0,1,,\n", "strategy s0: bar 0"),
    ("csv", b"s0,99,1,,\n", "row 4: strategy s0: bar 99 is outside the bars"),
    ("csv", b"s0,1,inf,,\n", "strategy s0: bar 1"),
    ("csv", b"s0,1,1,{,\n", "row 4: strategy s0, column 'config'"),
    ("csv", b"s0,1,1,,maybe\n", "row 4: column 'end': 'maybe' is neither true nor false"),
    ("csv", b",1,1,,\n", "row 4: strategy_id is missing"),
    ("csv", b",1,1,,true\n", "row 4: strategy_id is missing"),
    ("csv", b"s0,1,,,true\n", "row 4: strategy s0: an end on a bar needs its 'val'"),
    ("csv", b"s0,1,\xff,,\n", "row 4: "),
    ("jsonl", b'{"strategy_id": "s0", "idx": 1, "val": 1\n', "row 4: "),
    ("jsonl", b'{"strategy_id": "s0", "idx": 1, "value": 1}\n', "row 4: 'value' is unknown"),
    ("jsonl", b'{"strategy_id": "s0", "val": 1}\n', "row 4: strategy s0: 'idx' and 'ts' are both missing"),
    ("jsonl", b'{"strategy_id": "s0", "idx": 1.5, "val": 1}\n', "row 4: strategy s0: 1.5 is no whole number"),
    ("jsonl", b'{"strategy_id": "s0", "idx": 1, "val": "x"}\n', "labels where there were numbers"),
    ("jsonl", b'{"strategy_id": "s0", "idx": 1, "idx": 2, "val": 1}\n', "the key 'idx' is given twice"),
    ("jsonl", b'{"strategy_id": "s0", "idx": true, "val": 1}\n', "row 4: strategy s0: true is no whole number"),
    ("jsonl", b'{"strategy_id": "s0", "ts": true, "val": 1}\n', "row 4: strategy s0: true and false are no times"),
]


@pytest.mark.parametrize("form, bad, message", BAD_ROWS)
def test_a_row_that_is_wrong(places, form, bad, message):
    """What came before it is durable; the row is mended and the rest goes on, as if nothing had been wrong."""
    rows, workspace = bar_by_bar(), places()
    rest = encode(rows[4:], form, end=False)
    code, lines, err = record_stream(workspace, encode(rows[:3], form, end=False) + bad + rest)
    assert code == 2 and not lines, (lines, err)
    assert err.startswith("signalbook: standard input: row 4: ") and message in err, err
    assert "3 rows are durable: mend row 4 and go on with --resume" in err
    recording = Recording(workspace, "--resume")
    assert recording.line() == "resume 3"
    recording.send(encode(rows[3:], form))
    code, _, err = recording.finish()
    assert code == 0, err
    assert run_of(workspace) == expected_of(places, rows)


def test_input_that_is_wrong_from_the_beginning(places):
    """No row, no run."""
    for content, message in [
        (b"strategy_id,idx,val,wrong\ns0,0,1,1\n", "column 'wrong' is unknown"),
        (b"PAR1", "a Parquet or Arrow IPC file cannot be read while it is written"),
        (b"ARROW1\0\0", "a Parquet or Arrow IPC file cannot be read while it is written"),
        (b"s0,0,1\n", "a wide file names its strategies only by id"),
        (b"strategy_id,idx,val\ns0,0,1\n", "strategy 's0' has no configuration"),
    ]:
        workspace = places()
        code, _, err = record_stream(workspace, content, "--eof-ends")
        assert code == 2 and message in err, err
        assert not (workspace.store / "run_1").exists()


def test_true_and_false_are_numbers_where_a_value_is(places):
    """In JSON as in Arrow and Parquet; a bar they are nowhere."""
    rows = [{"strategy_id": "s0", "idx": i, "val": i % 2 == 1, "config": config_of(0)} for i in range(4)]
    expected = expected_of(places, [row | {"val": float(row["val"])} for row in rows])
    workspace = places()
    code, _, err = record_stream(workspace, b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b'{"end":1}')
    assert code == 1, err
    code, _, err = record_stream(workspace, b'{"end": true}\n', "--resume")
    assert code == 0 and run_of(workspace) == expected, err
    for name, word in [("idx", "false is no whole number"), ("ts", "true and false are no times")]:
        table = pa.table({"strategy_id": ["s0"], name: [False], "val": [True], "config": [config_of(0)]})
        places().refuse(2, "row 1: strategy s0: " + word, bars=make_bars(BARS), signals=table)


def test_behind_the_end_of_an_arrow_stream(places):
    """Nothing that is there is dropped; what may come is not waited for."""
    rows, workspace = bar_by_bar(), places()
    first, second = encode(rows[:9], "arrow"), encode(rows[9:], "arrow")
    for more in (second, b"\n", first):
        workspace = places()
        code, _, err = record_stream(workspace, first + more)
        assert code == 2 and "row 10: there are bytes behind the end of the Arrow stream" in err, err
        assert "9 rows are durable" in err
        code, _, err = record_stream(workspace, second, "--resume")
        assert code == 0 and run_of(workspace) == expected_of(places, rows, "arrow"), err
    recording = Recording(places())
    recording.send(encode(rows, "arrow"))  # and the pipe stays open
    assert recording.process.wait(timeout=PATIENCE) == 0
    recording.finish()


def test_contents_of_arrow_that_lead_outside(places):
    """Offsets and places in dictionaries are looked at before they are followed. pyarrow itself refuses to make such
    arrays, so a good stream is changed."""

    def stream(ids):
        columns = [ids, pa.array([5, 7]), pa.array([1.0, 0.0]), pa.array([config_of(0), config_of(1)])]
        batch = pa.RecordBatch.from_arrays(columns, names=["strategy_id", "idx", "val", "config"])
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue()

    def int32(*numbers):
        return np.array(numbers, np.int32).tobytes()

    text = stream(pa.array(["ab", "xyz"]))
    dictionary = pa.array(["a", "b", "c", "d", "e", "ab", "xyz"])
    coded = stream(pa.DictionaryArray.from_arrays(pa.array([6, 5], pa.int32()), dictionary))
    for whole, old, new in [
        (text, int32(0, 2, 5), int32(0, 2, 2_000_000_000)),
        (text, int32(0, 2, 5), int32(0, -5, 5)),
        (text, b"abxyz", b"abxy\xff"),
        (coded, int32(6, 5), int32(7, 5)),
        (coded, int32(6, 5), int32(6, -3)),
        (coded, b"abxyz", b"abxy\xff"),
    ]:
        assert whole.count(old) == 1
        workspace = places()
        code, _, err = record_stream(workspace, whole.replace(old, new))
        assert code == 2 and "row 1: not a readable Arrow IPC stream: " in err, (new, code, err)
        assert not (workspace.store / "run_1").exists()
        assert record_stream(workspace, whole)[0] == 0


def test_rows_sent_again(places):
    """Who is told `resume 9` and begins with the first row is told so."""
    rows, workspace = bar_by_bar(), places()
    assert record_stream(workspace, encode(rows[:9], "csv", end=False))[0] == 1
    recording = Recording(workspace, "--resume")
    recording.send(encode(rows, "csv"))
    code, lines, err = recording.finish()
    assert code == 2 and "row 10: strategy s0: bar 0" in err, err


def test_options_of_streams(places):
    workspace = places()
    for option in ["--ack", "--eof-ends"]:
        given = {"bars": make_bars(BARS), "signals": "strategy_id,idx,val\n", "form": "csv"}
        workspace.refuse(2, option, "--signals -", options=[option], **given)


# --- Ends ---


@pytest.mark.parametrize("form", FORMS)
def test_the_end_of_a_trace(places, form):
    """Nothing may follow it; what a trace says holds until the last bar, so it is complete in an unfinished run too."""
    rows = bar_by_bar()
    marked = [row | {"end": True} if row["idx"] == BARS - 1 else row for row in rows]
    alone = rows + [{"strategy_id": f"s{i}", "end": True} for i in range(3)]
    expected = without_position(expected_of(places, rows))
    for given in [marked, alone]:
        workspace = places()
        code, _, err = record_stream(workspace, encode(given, form))
        assert code == 0, err
        assert without_position(run_of(workspace)) == expected
    early = rows[:12] + [{"strategy_id": "s0", "end": True}] + rows[12:]
    code, _, err = record_stream(places(), encode(early, form))
    assert code == 2 and "row 14: strategy s0: bar 4 comes after the end of the trace" in err


def test_the_end_of_the_stream(places):
    rows, workspace = bar_by_bar(), places()
    content = encode(rows, "csv") + encode(rows[:1], "csv", end=False)[len(Encoder("csv").rows([])) :]
    code, _, err = record_stream(workspace, content)
    assert code == 2 and f"row {len(rows) + 2}: there is a row behind the end of the stream" in err


def test_ends_in_a_file(places):
    rows = bar_by_bar()
    expected = without_position(expected_of(places, rows))
    ended = pa.Table.from_pylist([*rows, {"strategy_id": "s1", "end": True}, {"end": True}], schema=Encoder.SCHEMA)
    for form in ["csv", "parquet", "arrow", "arrows"]:
        run = places().record(bars=make_bars(BARS), signals=ended, form=form)
        assert without_position(read_tree(run)) == expected
    followed = pa.concat_tables([ended, ended.slice(0, 1)])
    places().refuse(2, "row 39", "behind the end", bars=make_bars(BARS), signals=followed)


# --- Several processes ---


def test_several_writers(places):
    """Two processes share a sweep; a third, without a name, finishes the run."""
    rows = bar_by_bar(4)
    expected = expected_of(places, sorted(rows, key=lambda row: row["strategy_id"]))
    workspace = places()
    shares = [[row for row in rows if (row["strategy_id"] in ("s0", "s1")) == first] for first in (True, False)]
    recordings = [Recording(workspace, "--writer", f"w{i}") for i in range(2)]
    for recording, share in zip(recordings, shares):
        recording.send(encode(share[:7], "csv", end=False))
    code, _, err = recordings[0].finish()
    assert code == 1 and "7 rows are durable" in err
    recordings[0] = Recording(workspace, "--writer", "w0", "--resume")
    assert recordings[0].line() == "resume 7"
    recordings[0].send(encode(shares[0][7:], "csv"))
    recordings[1].send(encode(shares[1], "csv")[len(encode(shares[1][:7], "csv", end=False)) :])
    for recording in recordings:
        code, lines, err = recording.finish()
        assert code == 0 and "signalbook recover" in lines[0], (lines, err)
        assert not (workspace.store / "run_1" / "strategy_index.parquet").exists()
    workspace.signalbook.ok("recover", workspace.store / "run_1")
    found = {row["strategy_id"]: row["trace_hash"] for row in read_index(workspace.store / "run_1")}
    assert len(found) == 4 and len(expected) == len(run_of(workspace))


def test_a_writer_of_that_name_is_at_it(places):
    rows, workspace = bar_by_bar(), places()
    first = Recording(workspace, "--writer", "w0", "--ack")
    first.send(encode(rows[:3], "csv", end=False))
    first.wait_for_acknowledgement(3)
    second = Recording(workspace, "--writer", "w0", "--resume")
    code, _, err = second.finish()
    assert code == 2 and "w0" in err, err
    first.kill()
