"""The documents say what the program does: their commands run, their vectors and tables hold, their links lead somewhere.

UPDATE_GOLDEN=1 rewrites what the commands in docs/record.md, find.md, analyze.md, luck.md, recover.md and runs.md print,
and nothing else: vectors are never regenerated.
"""

import csv
import functools
import hashlib
import importlib.util
import io
import itertools
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(DOCS.glob("*.md"))
FENCE = re.compile(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True, scope="module")
def integers_of_any_length():
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)


@functools.cache
def text_of(name):
    return (DOCS / name).read_text(encoding="utf-8")


def program(*arguments, cwd=None, text=""):
    command = [os.environ["SIGNALBOOK_PROGRAM"], *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if k != "SIGNALBOOK_STORE"} | {"SOURCE_DATE_EPOCH": "1711500000"}
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def vectors(name):
    """The fenced block ```json name of docs/format.md."""
    return next(json.loads(body) for _, block, body in FENCE.findall(text_of("format.md")) if block == name)


# --- docs/record.md ---


class Record:
    """Follows the document in a folder: writes its files, runs its snippets and commands."""

    def __init__(self, folder):
        self.folder = folder
        self.never_written = set()  # files of snippets whose modules are not installed here
        (folder / "bin").mkdir()
        (folder / "bin" / "signalbook").symlink_to(os.environ["SIGNALBOOK_PROGRAM"])
        path = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("SIGNALBOOK")} | path

    def run_python(self, code):
        modules = re.findall(r"^import (\w+)", code, re.MULTILINE)
        if all(importlib.util.find_spec(module) for module in modules):
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, cwd=self.folder, env=self.environment, check=True, stdout=subprocess.PIPE)
            return done.stdout.decode() or None
        self.never_written |= set(re.findall(r"\w+\.parquet", code))
        return None

    def run_shell(self, body, must_fail):
        printed = ""
        for line in body.splitlines():
            if not line.startswith("signalbook") or any(name in line for name in self.never_written):
                continue
            done = subprocess.run(
                ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
            )
            assert (done.returncode != 0) == must_fail, (line, done.stdout, done.stderr)
            if must_fail:
                printed += done.stderr
            elif not line.startswith("signalbook record"):  # which tells how long it took
                printed += done.stdout
        return printed

    def follow(self, text):
        """Returns the text with what its commands print now."""
        parts, end, printed = [], 0, None
        for block in FENCE.finditer(text):
            language, name, body = block.groups()
            if language == "text" and printed is not None:
                if "UPDATE_GOLDEN" not in os.environ:
                    assert body == printed
                parts += [text[end : block.start()], f"```text\n{printed}```"]
                end = block.end()
            printed = None
            if language == "sh":
                printed = self.run_shell(body, must_fail=name == "fails")
            elif language == "python":
                printed = self.run_python(body)
            elif name:
                (self.folder / name).write_text(body, encoding="utf-8")
        return "".join(parts) + text[end:]


def follow(reader, page):
    """Follows a page in the reader's folder; UPDATE_GOLDEN=1 writes down what was printed."""
    updated = reader.follow(text_of(page))
    if "UPDATE_GOLDEN" in os.environ:
        (DOCS / page).write_text(updated, encoding="utf-8")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder in which docs/record.md was followed."""
    folder = tmp_path_factory.mktemp("record")
    follow(Record(folder), "record.md")
    return folder


def test_record_runs_as_written(recorded):
    runs = {path.name for path in (recorded / "results").iterdir() if (path / "strategy_index.parquet").exists()}
    assert runs >= {"run_1", "wide", "long", "regimes", "held", "two_feeds", "from_arrow", "tagged"}
    assert "@@" not in text_of("record.md")


# --- docs/find.md ---


class Find(Record):
    """Shows what a command says on both streams, because its notes are part of the answer; a time that stands still."""

    def __init__(self, folder):
        super().__init__(folder)
        self.environment |= {"SOURCE_DATE_EPOCH": "1735689600"}

    def run_shell(self, body, must_fail):
        printed = ""
        for line in filter(lambda line: line.startswith("signalbook"), body.splitlines()):
            done = subprocess.run(
                ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
            )
            assert (done.returncode != 0) == must_fail, (line, done.stdout, done.stderr)
            printed += re.sub(r" +$", "", done.stdout + done.stderr, flags=re.MULTILINE)
        return printed


def test_find_runs_as_written(tmp_path):
    follow(Find(tmp_path), "find.md")
    assert (tmp_path / "results" / "in_sample").is_dir()


# --- docs/analyze.md ---


class Analyze(Find):
    """The time that it takes is another one each time."""

    def run_shell(self, body, must_fail):
        return re.sub(r", \d+\.\d\d s$", ", 0.05 s", super().run_shell(body, must_fail), flags=re.MULTILINE)


def test_analyze_runs_as_written(tmp_path):
    follow(Analyze(tmp_path), "analyze.md")
    assert (tmp_path / "results" / "in_sample" / "metrics" / "stops.parquet").is_file()


# --- docs/luck.md ---


def test_luck_runs_as_written(tmp_path):
    follow(Find(tmp_path), "luck.md")
    assert (tmp_path / "results" / "in_sample").is_dir()
    assert "--trials" in text_of("luck.md")


# --- docs/recover.md ---


class Recover(Find):
    """Breaks files as well: every line is run, and of those that fail the lines of signalbook do."""

    def run_shell(self, body, must_fail):
        printed = ""
        for line in body.splitlines():
            done = subprocess.run(
                ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
            )
            is_ours = line.startswith("signalbook")
            assert (done.returncode != 0) == (must_fail and is_ours), (line, done.stdout, done.stderr)
            printed += (f"$ {line}\n" if is_ours else "") + done.stdout + done.stderr
        return re.sub(r" +$", "", printed, flags=re.MULTILINE)


def test_recover_runs_as_written(tmp_path):
    follow(Recover(tmp_path), "recover.md")
    assert (tmp_path / "results" / ".signalbook" / "lost+found" / "in_sample-1" / "NOTE.txt").is_file()


# --- docs/runs.md ---


def test_runs_runs_as_written(tmp_path):
    follow(Recover(tmp_path), "runs.md")
    assert (tmp_path / "archive" / "sweep_7" / "run.json").is_file()


# --- docs/sql.md ---


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The folder in which docs/sql.md was followed."""
    folder = tmp_path_factory.mktemp("sql")
    follow(Record(folder), "sql.md")
    return folder


def test_sql_runs_as_written(asked):
    assert (asked / "results" / "in_sample" / "strategy_index.parquet").exists()
    blocks = FENCE.findall(text_of("sql.md"))
    assert sum(language == "python" for language, _, _ in blocks) >= 5
    assert len(re.findall(r"^```(?:sh|python)\b.*?^```\n\n```text$", text_of("sql.md"), re.MULTILINE | re.DOTALL)) >= 10


def test_sql_agrees_with_stock_duckdb():
    """What is said to be the same prints the same numbers: the last line of each command and its equivalent."""
    blocks = [(language, body) for language, _, body in FENCE.findall(text_of("sql.md"))]
    answers = [
        (language, set(re.findall(r"(?<!\w)\d+(?:\.\d+)?(?!\w)", body)))
        for (language, _), (kind, body) in itertools.pairwise(blocks)
        if kind == "text" and language in ("sh", "python")
    ]
    compared = 0
    for place, (language, numbers) in enumerate(answers):
        if language == "python":
            ours = next(found for kind, found in reversed(answers[:place]) if kind == "sh")
            assert {n for n in numbers if float(n) > 1} <= ours, (numbers, ours)
            compared += 1
    assert compared >= 5


# --- docs/read_trace.py ---


def read_trace(*arguments):
    script = [sys.executable, DOCS / "read_trace.py", *arguments]
    return subprocess.run([str(part) for part in script], capture_output=True, text=True, check=False)


def trace_files(folder):
    return sorted(folder.glob("results/*/traces/*/*/*/*.parquet"))


def test_read_trace_agrees_with_every_trace(recorded):
    files = trace_files(recorded)
    assert len(files) > 10
    for path in files:
        done = read_trace(path)
        assert done.returncode == 0 and "agrees" in done.stdout, (path, done)
        changes = list(csv.reader(io.StringIO(program("trace", path, "--format", "csv").stdout)))[1:]
        read = [line.split(" ", 3) for line in done.stdout.splitlines()[4:]]
        assert [(row[0], row[3]) for row in read] == [(idx, val) for idx, _, val, _ in changes]


def test_read_trace_makes_the_dense_series(recorded):
    run = recorded / "results" / "run_1"
    for row in pq.read_table(run / "strategy_index.parquet").to_pylist():
        bars = recorded / "results" / "bars" / f"{row['data_id']}.parquet"
        done = read_trace(run / row["trace_path"], "--dense", bars)
        assert done.returncode == 0 and f"{row['trace_hash'].hex()} agrees" in done.stdout
        shown = program("trace", row["strategy_id"], "--dense", "--format", "csv", "--store", run).stdout
        expected = [(idx, val or "None") for idx, _, val, _ in list(csv.reader(io.StringIO(shown)))[1:]]
        for lines in (done.stdout.splitlines(), read_trace(run / row["trace_path"], "--dense", 8).stdout.splitlines()):
            assert [(line.split(" ")[0], line.split(" ")[-1]) for line in lines[4:]] == expected


def test_read_trace_notices_another_number_of_bars(recorded):
    done = read_trace(trace_files(recorded)[0], "--dense", 9)
    assert done.returncode == 1 and "DOES NOT AGREE" in done.stdout


def test_read_trace_reads_old_files(tmp_path):
    old = {
        "idx": [3, 7],
        "ts": ["2025-06-15T10:57:17.67", "2025-06-15T10:57:18"],
        "sym": ["SPY"] * 2,
        "strat": ["SPY_rsi"] * 2,
    }
    pq.write_table(pa.table({**old, "val": pa.array([0, -1], pa.int64()), "px": [0.0, 0.0]}), tmp_path / "old.parquet")
    lines = read_trace(tmp_path / "old.parquet", "--dense", 9).stdout.splitlines()
    assert lines[:2] == ["strategy_id: SPY_rsi", "strategy_hash: not given"]
    assert [line.split(" ")[-1] for line in lines[4:]] == ["None"] * 3 + ["0.0"] * 4 + ["-1.0"] * 2
    assert "3 2025-06-15T10:57:17.67 0.0" in read_trace(tmp_path / "old.parquet").stdout


def test_read_trace_reads_real_old_files():
    data = Path(os.environ.get("SIGNALBOOK_TEST_DATA") or ROOT.parent / "shared")
    files = sorted((data / "data" / "legacy").rglob("traces/**/*.parquet"))
    if not files:
        pytest.skip(f"no old traces: {data} is not there")
    for path in files[:: max(1, len(files) // 20)]:
        done = read_trace(path)
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 4 + pq.ParquetFile(path).metadata.num_rows, (
            path
        )


# --- docs/format.md: vectors ---


def equal_values(value):
    """2.0 as 2: the second digest of a node."""
    if isinstance(value, dict):
        return {k: equal_values(v) for k, v in value.items()}
    if isinstance(value, list):
        return [equal_values(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def sized(text):
    return struct.pack("<I", len(text.encode())) + text.encode()


def test_configurations():
    found = vectors("configurations")
    assert len(found) >= 15
    for vector in found:
        text = vector["input"] if isinstance(vector["input"], str) else json.dumps(vector["input"])
        assert program("hash", "--canonical", "-", text=text).stdout == vector["canonical"] + "\n"
        assert program("hash", "--full", "-", text=text).stdout == vector["strategy_digest"] + "\n"
        assert hashlib.sha256(vector["canonical"].encode()).hexdigest() == vector["strategy_digest"]
        values = json.dumps(equal_values(json.loads(vector["canonical"])), sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(values.encode()).hexdigest() == vector["value_digest"]


def test_refused():
    for text in vectors("refused"):
        done = program("hash", "-", text=text)
        assert done.returncode == 2 and done.stderr.startswith("signalbook: ") and not done.stdout, text


def test_traces():
    for vector in vectors("traces"):
        idx, val = vector["idx"], vector["val"]
        labels = bool(val) and isinstance(val[0], str)
        body = b"SBT1" + bytes([labels]) + struct.pack(f"<{2 + len(idx)}q", vector["bar_count"], len(idx), *idx)
        body += b"".join(sized(v) if labels else struct.pack("<d", v or 0.0) for v in val)
        assert body.hex() == vector["bytes"]
        assert hashlib.sha256(body).hexdigest()[:32] == vector["trace_hash"]


def write_bars(path, vector):
    names = ["ts", "open", "high", "low", "close"] + ["volume"] * (vector["volume"] is not None)
    columns = {name: vector[name] for name in names}
    pq.write_table(pa.table(columns | {"ts": pa.array(vector["ts"], pa.timestamp("us", "UTC"))}), path)


def test_bars(tmp_path):
    (tmp_path / "strategies.json").write_text('{"rsi": {}}')
    (tmp_path / "signals.csv").write_text("strategy_id,idx,val\nstrategy_0,0,1\n")
    for number, vector in enumerate(vectors("bars")):
        body = b"SBD1" + sized(vector["symbol"]) + sized(vector["timeframe"]) + struct.pack("<q", len(vector["ts"]))
        body += struct.pack(f"<{len(vector['ts'])}q", *vector["ts"])
        for name in ("open", "high", "low", "close"):
            body += struct.pack(f"<{len(vector['ts'])}d", *vector[name])
        body += bytes([vector["volume"] is not None])
        body += b"".join(struct.pack("<d", v) for v in vector["volume"] or [])
        assert hashlib.sha256(body).hexdigest() == vector["data_id"]
        write_bars(tmp_path / "bars.parquet", vector)
        feed = ["--bars", "bars.parquet", "--symbol", vector["symbol"], "--timeframe", vector["timeframe"]]
        signals = ["--strategies", "strategies.json", "--signals", "signals.csv"]
        done = program("record", "--run", f"results/{number}", *feed, *signals, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "results" / "bars" / f"{vector['data_id']}.parquet").exists()


def escape(text):
    """Rules 1 and 2 of docs/format.md, once more."""
    raw = text.encode()
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
    parts = [chr(b) if b in plain and not (i == 0 and b in b"_.") else f"~{b:02X}" for i, b in enumerate(raw)]
    if len("".join(parts)) <= 80:
        return "".join(parts) or "~"
    while len("".join(parts)) > 71:
        parts.pop()
    return "".join(parts) + "-" + hashlib.sha256(raw).hexdigest()[:8]


def test_names(recorded, tmp_path):
    names = vectors("names")
    shutil.copy(recorded / "bars.csv", tmp_path)
    (tmp_path / "strategies.json").write_text(json.dumps([{"type": name} for name in names]))
    rows = "".join(f"strategy_{i},0,1\n" for i in range(len(names)))
    (tmp_path / "signals.csv").write_text("strategy_id,idx,val\n" + rows)
    feed = ["--bars", "bars.csv", "--symbol", "SPY", "--timeframe", "5m"]
    given = ["--strategies", "strategies.json", "--signals", "signals.csv"]
    assert program("record", "--run", "results/run_1", *feed, *given, cwd=tmp_path).returncode == 0
    index = pq.read_table(tmp_path / "results" / "run_1" / "strategy_index.parquet").to_pylist()
    for row in index:
        name = names[row["strategy_type"]]
        assert name == escape(row["strategy_type"])
        assert row["trace_path"] == f"traces/SPY_5m/signals/{name}/SPY_5m_{name}_{row['strategy_hash']}.parquet"
    assert len(index) == len(names)


# --- docs/format.md: tables of columns, examples ---


def table_under(heading, first):
    """The rows of the table whose header begins with the column `first`, in the section of that heading."""
    section = text_of("format.md").split(f"\n{heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = section.split(f"| {first} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def describe(column):
    """A Parquet column's type as docs/format.md writes it."""
    if column.path.endswith(".list.element"):
        return "LIST of STRING"
    kind = column.physical_type
    if kind == "FIXED_LEN_BYTE_ARRAY":
        kind += f"({column.length})"
    logical = json.loads(column.logical_type.to_json())
    if logical["Type"] == "Timestamp":
        assert logical["isAdjustedToUTC"] and logical["timeUnit"] == "microseconds"
        return f"{kind}, TIMESTAMP(MICROS, UTC)"
    return f"{kind}, STRING" if logical["Type"] == "String" else kind


def columns_of(path):
    schema = pq.ParquetFile(path).schema
    return {schema.column(i).path.split(".")[0]: schema.column(i) for i in range(len(schema))}


def test_trace_columns(recorded):
    documented = table_under("## A trace file", "name")
    keys = [row[0] for row in table_under("## A trace file", "key")]
    for path in trace_files(recorded):
        file = pq.ParquetFile(path)
        columns = columns_of(path)
        assert list(columns) == [row[0] for row in documented]
        assert {key.decode() for key in file.metadata.metadata} == set(keys)
        for i, (name, kind, encoding, _) in enumerate(documented):
            label = name == "val" and "classifiers" in path.parts
            assert describe(columns[name]) == ("BYTE_ARRAY, STRING" if label else kind)
            assert (columns[name].max_definition_level == 0) == (name != "metadata")
            chunk = file.metadata.row_group(0).column(i)
            assert ("RLE_DICTIONARY" if encoding == "dictionary" else encoding) in chunk.encodings
            assert chunk.compression == "SNAPPY"
            assert (chunk.statistics is not None) == (name in ("idx", "ts", "strategy_hash"))


def test_bars_columns(recorded):
    documented = {row[0]: row[1] for row in table_under("## Bars", "name")}
    for path in (recorded / "results" / "bars").iterdir():
        assert {name: describe(column) for name, column in columns_of(path).items()} == documented


def test_index_columns(recorded):
    rows = table_under("## strategy_index.parquet", "name")
    documented = {row[0]: row[1] for row in rows}
    may_be_null = {row[0] for row in rows if row[2] == "yes"}
    for path in sorted((recorded / "results").glob("*/strategy_index.parquet")):
        columns = columns_of(path)
        assert [name for name in documented if name != "param_*"] == [n for n in columns if not n.startswith("param_")]
        place = list(documented).index("param_*")
        assert all(
            name.startswith("param_") for name in list(columns)[place : len(columns) - len(documented) + place + 1]
        )
        table = pq.read_table(path)
        for name, column in columns.items():
            assert name.startswith("param_") or describe(column) == documented[name]
            assert name.startswith("param_") or name in may_be_null or table[name].null_count == 0


def test_components_columns(recorded):
    rows = table_under("## strategy_components.parquet", "name")
    documented = {row[0]: row[1] for row in rows}
    may_be_null = {row[0] for row in rows if row[2] == "yes"}
    row_count = 0
    for path in sorted((recorded / "results").glob("*/strategy_components.parquet")):
        columns = columns_of(path)
        assert [name for name in documented if name != "param_*"] == [n for n in columns if not n.startswith("param_")]
        place = list(documented).index("param_*")
        assert all(
            name.startswith("param_") for name in list(columns)[place : len(columns) - len(documented) + place + 1]
        )
        table = pq.read_table(path)
        row_count += len(table)
        for name, column in columns.items():
            assert name.startswith("param_") or describe(column) == documented[name]
            assert name.startswith("param_") or name in may_be_null or table[name].null_count == 0
    assert row_count > 0


def test_where_strategies_stand(recorded, tmp_path):
    """The table under "Where strategies stand": each member holds what it says, in a node and in its parameters."""
    rows = table_under("### Where strategies stand", "member")
    forms = {
        "a list of strategies, or one": [([{"a": {}}, {"b": {}}], [None, None]), ({"a": {}}, ["a"])],
        "one strategy, or a list": [({"a": {}}, ["{}"]), ([{"a": {}}, {"b": {}}], ["{}", "{}"])],
        "an object, each member of which is one strategy or a list": [
            ({"y": {"a": {}}, "x": [{"a": {}}, {"b": {}}]}, ["{}.x", "{}.x", "{}.y"])
        ],
    }
    cases = []
    for members, holds, _ in rows:
        for member in re.findall(r"\w+", members):
            for held, roles in forms[holds]:
                roles = [role and role.format(member) for role in roles]
                cases.append(({"type": "t", "parameters": {member: held}}, roles))
                cases.append(({"type": "t", member: held}, roles))
    assert len(cases) == 3 * 4 + 4 * 4 + 2 * 2
    shutil.copy(recorded / "bars.csv", tmp_path)
    (tmp_path / "strategies.json").write_text(json.dumps([config for config, _ in cases]))
    signals = "".join(f"strategy_{i},0,1\n" for i in range(len(cases)))
    (tmp_path / "signals.csv").write_text("strategy_id,idx,val\n" + signals)
    feed = ["--bars", "bars.csv", "--symbol", "SPY", "--timeframe", "5m"]
    given = ["--strategies", "strategies.json", "--signals", "signals.csv"]
    assert program("record", "--run", "results/run_1", *feed, *given, cwd=tmp_path).returncode == 0
    run = tmp_path / "results" / "run_1"
    found = {}
    for row in pq.read_table(run / "strategy_components.parquet").to_pylist():
        found.setdefault(row["strategy_digest"], []).append(row["role"])
    for row in pq.read_table(run / "strategy_index.parquet").to_pylist():
        for name in [row["strategy_id"], *row["aliases"]]:
            config, roles = cases[int(name.split("_")[1])]
            assert found[row["strategy_digest"]] == roles, config


def test_parameter_columns(recorded, tmp_path):
    """The table under "Parameters", row by row."""
    parameters = [
        {
            "number": 1,
            "text": "a",
            "list": [1, {"b": 2.0}],
            "flag": True,
            "mixed": 2,
            "large": 9007199254740993,
            "none": None,
        },
        {"number": 2.5, "mixed": "b", "large": 7, "Case": 1, "case": 2},
        {"mixed": False},
    ]
    expected = {
        "param_Case": ("DOUBLE", [None, 1.0, None]),
        "param_case__2": ("DOUBLE", [None, 2.0, None]),
        "param_flag": ("BOOLEAN", [True, None, None]),
        "param_large": ("DOUBLE", [None, 7.0, None]),
        "param_large__str": ("BYTE_ARRAY, STRING", ["9007199254740993", None, None]),
        "param_list": ("BYTE_ARRAY, STRING", ['[1,{"b":2.0}]', None, None]),
        "param_mixed": ("DOUBLE", [2.0, None, None]),
        "param_mixed__str": ("BYTE_ARRAY, STRING", [None, "b", None]),
        "param_mixed__bool": ("BOOLEAN", [None, None, False]),
        "param_none": ("BYTE_ARRAY, STRING", [None, None, None]),
        "param_number": ("DOUBLE", [1.0, 2.5, None]),
        "param_text": ("BYTE_ARRAY, STRING", ["a", None, None]),
    }
    shutil.copy(recorded / "bars.csv", tmp_path)
    (tmp_path / "strategies.json").write_text(json.dumps([{"type": "x", "parameters": p} for p in parameters]))
    (tmp_path / "signals.csv").write_text("strategy_id,idx,val\nstrategy_0,0,1\nstrategy_1,0,1\nstrategy_2,0,1\n")
    feed = ["--bars", "bars.csv", "--symbol", "SPY", "--timeframe", "5m"]
    given = ["--strategies", "strategies.json", "--signals", "signals.csv"]
    assert program("record", "--run", "results/run_1", *feed, *given, cwd=tmp_path).returncode == 0
    path = tmp_path / "results" / "run_1" / "strategy_index.parquet"
    rows = sorted(pq.read_table(path).to_pylist(), key=lambda row: row["strategy_id"])
    columns = {name: column for name, column in columns_of(path).items() if name.startswith("param_")}
    found = {name: (describe(column), [row[name] for row in rows]) for name, column in columns.items()}
    assert found == expected and list(found) == list(expected)


def test_seals(recorded):
    """What run.json and store.json say of themselves, checked as the document does."""
    blocks = FENCE.findall(text_of("format.md"))
    (recipe,) = [body for language, _, body in blocks if language == "python" and "seal" in body]
    for path in [recorded / "results/.signalbook/store.json", *recorded.glob("results/*/run.json")]:
        assert recipe.count('"run.json"') == 1
        code = recipe.replace('"run.json"', repr(str(path)))
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"


def test_json_examples(recorded, tmp_path):
    for name in ("bars.csv", "strategies.json", "signals.csv"):
        shutil.copy(recorded / name, tmp_path)
    feed = ["--bars", "bars.csv", "--symbol", "SPY", "--timeframe", "5m"]
    given = ["--strategies", "strategies.json", "--signals", "signals.csv"]
    about = ["--code-version", "3f2a91c", "--tag", "sample=in", "--note", "before the fill fix"]
    assert program("record", "--run", "results/run_1", *feed, *given, *about, cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "results/.signalbook/store.json").read_text()) == vectors("store.json")
    written, shown = json.loads((tmp_path / "results/run_1/run.json").read_text()), vectors("run.json")
    files = [(name, (tmp_path / "results" / "run_1" / name).read_bytes())
             for name in ("strategy_components.parquet", "strategy_index.parquet")]  # fmt: skip
    assert written["files"] == [
        {"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files
    ]
    assert [file["path"] for file in shown["files"]] == [name for name, _ in files]
    (feed,) = written["feeds"]
    bars = (tmp_path / "results" / "bars" / f"{feed['data_id']}.parquet").read_bytes()
    assert (feed["bars_size"], feed["bars_sha256"]) == (len(bars), hashlib.sha256(bars).hexdigest())
    for described in (written, shown):  # Parquet's own bytes change with its version
        described["files"] = described["sha256"] = None
        described["feeds"][0]["bars_size"] = described["feeds"][0]["bars_sha256"] = None
    assert written == shown
    assert [row[0] for row in table_under("## run.json and store.json", "member")] == list(written)


# --- docs/errors.md ---


def test_messages_are_in_the_source():
    """Every message of the tables, cut at its <placeholders>, stands in the source."""
    source = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.cpp")))
    source = re.sub(r'"\s*"', "", source).replace('\\"', '"')
    parts = []
    for line in text_of("errors.md").splitlines():
        cells = re.split(r" ?\| ?", line)
        if not re.fullmatch(r"[1-4]|warning", cells[1] if len(cells) > 3 else ""):
            continue
        for message in re.findall(r"`([^`]+)`", cells[2]):
            parts += [part.strip(" :") for part in re.split(r"<[a-z]+>|; ", message) if len(part) >= 10]
    assert len(parts) > 100
    assert [part for part in parts if part not in source] == []


# --- Links ---


def anchors(path):
    """The names that GitHub gives the headings of a document."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links(document):
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists() and path.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(path), target
