"""What is damaged, missing or newer is said, with exit status 3 or 2, and never answered as if it were whole."""

import hashlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

BARS = "timestamp,open,high,low,close\n" + "".join(
    f"2024-01-02T14:{30 + i}:00Z,{470 + i},{471 + i},{469 + i},{470 + i}.5\n" for i in range(4)
)
CONFIGS = [{"rsi": {"period": 14}}, {"rsi": {"period": 20}}]
SIGNALS = "idx,strategy_0,strategy_1\n0,1,1\n2,0,-1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bars.csv").write_text(BARS)
    (tmp_path / "strategies.json").write_text(json.dumps(CONFIGS))
    (tmp_path / "signals.csv").write_text(SIGNALS)
    return tmp_path


def start(folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != "SIGNALBOOK_STORE"}
    return subprocess.Popen([os.environ["SIGNALBOOK_PROGRAM"], *arguments], cwd=folder, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def call(folder, *arguments):
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def record_arguments(run, strategies="strategies.json", signals="signals.csv"):
    named = ["--strategies", strategies] if strategies else []
    return [
        "record",
        "--run",
        run,
        "--bars",
        "bars.csv",
        "--symbol",
        "S",
        "--timeframe",
        "1m",
        *named,
        "--signals",
        signals,
    ]


def record(folder, run="base/r", **files):
    code, out, err = call(folder, *record_arguments(run, **files))
    assert code == 0, err
    return folder / run, err


def sql(folder, query, store="base"):
    return call(folder, "sql", query, "--store", store, "--format", "json")


def rows(folder, query, store="base"):
    code, out, err = sql(folder, query, store)
    assert code == 0, err
    return json.loads(out)


def sealed(text):
    """run.json or store.json with the digest of itself, as docs/format.md has it."""
    seal = json.loads(text)["sha256"]
    zeros = text.replace(seal, "0" * 64)
    return text.replace(seal, hashlib.sha256(zeros.encode()).hexdigest())


def test_a_missing_trace_is_damage_and_a_stray_one_none(folder):
    run, _ = record(folder)
    traces = sorted(run.rglob("traces/**/*.parquet"))
    shutil.copy(traces[0], traces[0].with_name("stray.parquet"))
    assert rows(folder, "SELECT count(*) AS n FROM traces") == [{"n": 4}]
    traces[1].unlink()
    code, _, err = sql(folder, "SELECT count(*) AS n FROM traces")
    assert code == 3 and traces[1].name in err
    shutil.rmtree(run / "traces")
    assert sql(folder, "SELECT count(*) AS n FROM traces")[0] == 3


@pytest.mark.parametrize("harm", ["flip", "empty", "shorter"])
@pytest.mark.parametrize(
    "command", [["list"], ["show", "strategy_0"], ["trace", "strategy_0"], ["sql", "FROM strategies"]]
)
def test_an_index_that_run_json_does_not_vouch_for(folder, command, harm):
    run, _ = record(folder)
    index = run / "strategy_index.parquet"
    content = bytearray(index.read_bytes())
    content[len(content) // 2] ^= 1
    index.write_bytes({"flip": content, "empty": b"", "shorter": content[:-9]}[harm])
    code, _, err = call(folder, *command, "--store", "base")
    assert code == 3 and "strategy_index.parquet" in err and "base/r" in err


def test_a_run_without_its_description(folder):
    run, _ = record(folder)
    (run / "run.json").unlink()
    code, _, err = call(folder, "trace", "strategy_0", "--store", "base/r")
    assert code == 3 and "run.json" in err


@pytest.mark.parametrize("harm", [b"", b"PAR1 no bars PAR1"])
def test_damaged_bars_are_written_anew(folder, harm):
    record(folder)
    (bars,) = (folder / "base/bars").iterdir()
    whole = bars.read_bytes()
    bars.write_bytes(harm)
    _, err = record(folder, "base/again")
    assert "damaged" in err and bars.read_bytes() == whole
    assert call(folder, "trace", "strategy_0", "--dense", "--store", "base/again")[0] == 0


@pytest.mark.parametrize("file", ["base/.signalbook/store.json", "base/r/run.json"])
def test_a_newer_format_is_refused(folder, file):
    record(folder)
    path = folder / file
    edited = path.read_text().replace('"format_version": 1', '"format_version": 99')
    path.write_text(edited)
    code, _, err = call(folder, "list", "--store", "base")
    assert code == 3 and file.removeprefix("base/") in err  # a flipped bit is no newer version
    path.write_text(sealed(edited))
    for command in (["list"], ["show", "strategy_0"], ["trace", "strategy_0"], ["sql", "FROM strategies"]):
        code, _, err = call(folder, *command, "--store", "base")
        assert code == 2 and "99" in err and "newer" in err, command


def test_first_recordings_at_once_and_what_a_crash_left(folder):
    (folder / "base/.signalbook").mkdir(parents=True)
    (folder / "base/.signalbook/store.json.tmp").touch()
    for round_number in range(5):
        store = f"base{round_number}" if round_number else "base"
        processes = [start(folder, *record_arguments(f"{store}/r{i}")) for i in range(4)]
        for process in processes:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        assert len(rows(folder, "FROM runs", store)) == 4


@pytest.mark.parametrize(
    "place", ["base/r/traces/x", "base/r/traces/S_1m/x", "base/bars/x", "base/.signalbook/x", "base/r/x"]
)
def test_no_run_in_the_inside_of_a_store(folder, place):
    record(folder)
    before = sorted(folder.rglob("*"))
    code, _, err = call(folder, *record_arguments(place))
    assert code == 2 and place in err and sorted(folder.rglob("*")) == before


def test_equal_signals_at_other_prices_are_two_traces(folder):
    config = '"{""rsi"":{""period"":14}}"'
    (folder / "long.csv").write_text(f"strategy_id,idx,val,px,config\na,0,1,100.5,{config}\nb,0,1,200.5,{config}\n")
    _, err = record(folder, strategies=None, signals="long.csv")
    assert "a and b" in err
    assert [row["px"] for row in rows(folder, "SELECT px FROM traces ORDER BY px")] == [100.5, 200.5]


@pytest.mark.parametrize("text", ["9007199254740993", "-9007199254740993", "123456789012345678901"])
def test_an_integer_of_a_csv_is_not_rounded(folder, text):
    (folder / "signals.csv").write_text(f"idx,strategy_0,strategy_1\n0,1,1\n2,0,{text}\n")
    code, _, err = call(folder, *record_arguments("base/r"))
    assert code == 2 and text in err and "strategy strategy_1" in err
    (folder / "signals.csv").write_text("idx,strategy_0,strategy_1\n0,1e-400,9007199254740992\n")
    record(folder)


def test_a_parameter_is_found_by_its_exact_value(folder):
    values = [1, 1.0, True, "1", "fast", 9007199254740992, 9007199254740993]
    (folder / "strategies.json").write_text(json.dumps([{"x": {"v": value}} for value in values]))
    ids = [f"strategy_{i}" for i in range(len(values))]
    (folder / "signals.csv").write_text(
        ",".join(["idx", *ids]) + "\n" + ",".join(["0", *map(str, range(len(ids)))]) + "\n"
    )
    record(folder)
    expected = {
        "1": [0, 1],
        "true": [2],
        '"1"': [3],
        "fast": [4],
        "9007199254740992": [5],
        "9007199254740993": [6],
        "7": [],
    }
    for value, found in expected.items():
        code, out, err = call(folder, "list", "--param", f"v={value}", "--format", "json", "--store", "base")
        assert code == 0, err
        assert sorted(row["strategy_id"] for row in json.loads(out)) == [ids[i] for i in found], value


def test_an_empty_line_of_a_single_column_is_a_missing_value(folder):
    (folder / "strategies.json").write_text(json.dumps(CONFIGS[:1]))
    (folder / "signals.csv").write_text("strategy_0\n\n1\n1\n0\n")
    record(folder)
    assert [row["idx"] for row in rows(folder, "SELECT idx FROM traces ORDER BY idx")] == [1, 3]


def test_times_without_a_year_of_four_digits_are_refused(folder):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    columns = {name: [1.0, 2.0] for name in ("open", "high", "low", "close")}
    table = pa.table({"ts": pa.array([2**62, 2**62 + 5], pa.timestamp("us", tz="UTC"))} | columns)
    pq.write_table(table, folder / "bars.csv")
    code, _, err = call(folder, *record_arguments("base/r"))
    assert code == 2 and "row 1" in err and not Path(folder / "base").exists()


def test_a_run_beside_the_one_that_one_stands_in(folder):
    run, _ = record(folder)
    for name in ("bars.csv", "strategies.json", "signals.csv"):
        shutil.copy(folder / name, run)
    code, _, err = call(run, *record_arguments("../r2"))
    assert code == 0, err
    assert len(rows(folder, "FROM runs")) == 2


# --- verify ---


def verify(folder, *arguments):
    code, out, err = call(folder, "verify", *arguments)
    return code, out.splitlines(), err


def store_files(folder):
    return [path for path in sorted((folder / "base").rglob("*")) if path.is_file()]


def test_verify_finds_any_flipped_bit_and_any_cut(folder):
    """All bytes with SIGNALBOOK_LONG_TESTS, else some of each file."""
    record(folder)
    choose = random.Random(20240327)
    files = store_files(folder)
    assert len(files) == 7
    for path in files:
        whole = path.read_bytes()
        places = range(len(whole))
        if "SIGNALBOOK_LONG_TESTS" not in os.environ:
            places = sorted(choose.sample(places, 6))
        for at in places:
            flipped = bytearray(whole)
            flipped[at] ^= 1 << choose.randrange(8)
            for harmed in (flipped, whole[:at]):
                path.write_bytes(harmed)
                code, found, err = verify(folder, "base")
                # Exit status 1 where the bars are the same, or a file does not vouch for itself any more.
                assert code == 3 or (code == 1 and path.name not in ("strategy_index.parquet",)), (path, at, err)
                assert any(path.name in line for line in found), (path, at, found, err)
        path.write_bytes(whole)
    assert verify(folder, "base")[0] == 0


def test_verify_goes_on_where_store_json_is_damaged(folder):
    run, _ = record(folder)
    (folder / "base/.signalbook/store.json").write_text("{")
    (trace, _) = sorted(run.rglob("traces/**/*.parquet"))
    trace.write_bytes(b"")
    code, found, _ = verify(folder, "base")
    assert code == 3 and len(found) == 2
    assert found[0].startswith(".signalbook/store.json: ") and trace.name in found[1]


def forge(run, change):
    """A trace that is wrong, in a run whose digests are all right."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    index_path, description_path = run / "strategy_index.parquet", run / "run.json"
    index = pq.read_table(index_path)
    row = index.to_pylist()[0]
    trace_path = run / row["trace_path"]
    trace = pq.read_table(trace_path)
    metadata = trace.schema.metadata
    required = [field.with_nullable(field.name == "metadata") for field in trace.schema]
    columns = trace.to_pydict()
    change(columns)
    with pq.ParquetWriter(trace_path, pa.schema(required), store_schema=False) as writer:
        writer.write_table(pa.table(columns, pa.schema(required)))
        writer.add_key_value_metadata(metadata)
    content = trace_path.read_bytes()
    for name, value in {"file_size": len(content), "file_sha256": hashlib.sha256(content).digest()}.items():
        place = index.schema.get_field_index(name)
        values = [value, *index[name].to_pylist()[1:]]
        index = index.set_column(place, index.schema.field(name), pa.array(values, index.schema.field(name).type))
    pq.write_table(index, index_path, store_schema=False)
    content, text = index_path.read_bytes(), description_path.read_text()
    (entry,) = [file for file in json.loads(text)["files"] if file["path"] == index_path.name]
    text = text.replace(entry["sha256"], hashlib.sha256(content).hexdigest())
    text = text.replace(f'"size": {entry["size"]}', f'"size": {len(content)}')
    description_path.write_text(sealed(text))
    return row["trace_path"]


@pytest.mark.parametrize("column, value, told", [("px", 1.0, None), ("px", float("inf"), "px"), ("idx", 3, "idx"),
                                                 ("val", 5.0, "trace_hash"), ("sym", "X", "sym")])  # fmt: skip
def test_verify_deep_reads_what_others_have_written(folder, column, value, told):
    def change(columns):
        columns[column][0] = value

    run, _ = record(folder)
    path = forge(run, change)
    assert verify(folder, "base")[0] == 0
    code, found, err = verify(folder, "base", "--deep")
    if told is None:
        assert (code, verify(folder, run / path)[0]) == (0, 0), (found, err)
    else:
        assert code == 3 and any(line.startswith(f"r: {path}: ") and told in line for line in found), found
        assert verify(folder, run / path)[0] == 3


def test_verify_of_one_trace_file(folder):
    run, _ = record(folder)
    (trace, _) = sorted(run.rglob("traces/**/*.parquet"))
    assert verify(folder, trace)[0] == 0
    trace.write_bytes(trace.read_bytes()[:-1])
    code, found, err = verify(folder, trace)
    assert code == 3 and len(found) == 1 and trace.name in found[0] and trace.name in err
