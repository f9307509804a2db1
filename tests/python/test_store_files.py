"""The files of a store, as stock tools see them: pyarrow, DuckDB, hashlib, json. Nothing of ours reads here."""

import hashlib
import itertools
import json
import os
import struct

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import (
    EPOCH,
    Signalbook,
    Workspace,
    assert_series,
    make_bars,
    make_signals,
    make_strategies,
    read_index,
    read_parquet,
    read_trace,
    wide_table,
)

BARS = 200
BESIDE = {"run.json", "strategy_components.parquet", "strategy_index.parquet"}  # the files beside the traces
UTC = pa.timestamp("us", "UTC")
METADATA_KEYS = {"strategy_id", "strategy_hash", "strategy_digest", "strategy_config", "creation_time",
                 "signalbook.format_version", "trace_hash", "data_id"}  # fmt: skip


# --- The recipes of identity once more, for what is hashed here: {type: {parameters}, ...} ---


def strategy_digest(config, plain=False):
    (kind,) = [key for key in config if key not in ("constraints", "threshold", "strategy_id")]
    node = {"type": kind, "parameters": config[kind]}
    node |= {key: config[key] for key in ("constraints", "threshold") if config.get(key) is not None}
    if plain:
        whole = {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in config[kind].items()}
        node["parameters"] = whole
    return hashlib.sha256(json.dumps(node, sort_keys=True, separators=(",", ":")).encode())


def packed_text(text):
    return struct.pack("<I", len(text.encode())) + text.encode()


def trace_hash(idx, val, bar_count):
    labels = bool(val) and isinstance(val[0], str)
    body = b"SBT1" + struct.pack("<Bqq", labels, bar_count, len(idx)) + np.array(idx, "<i8").tobytes()
    body += b"".join(map(packed_text, val)) if labels else np.array(val, "<f8").tobytes()
    return hashlib.sha256(body).digest()[:16]


def data_id(symbol, timeframe, bars):
    body = b"SBD1" + packed_text(symbol) + packed_text(timeframe) + struct.pack("<q", len(bars))
    body += bars["timestamp"].cast(pa.int64()).to_numpy().astype("<i8").tobytes()
    for name in ("open", "high", "low", "close"):
        body += bars[name].to_numpy().astype("<f8").tobytes()
    has_volume = "volume" in bars.column_names
    body += struct.pack("<B", has_volume)
    if has_volume:
        body += bars["volume"].to_numpy().astype("<f8").tobytes()
    return hashlib.sha256(body).hexdigest()


def test_recipes_hold_the_pinned_values():
    config = {"bollinger_bands": {"period": 20, "std_dev": 2.0}, "constraints": "intraday"}
    assert strategy_digest(config).hexdigest().startswith("39a6426ec117")
    config["bollinger_bands"]["std_dev"] = 2
    assert strategy_digest(config).hexdigest().startswith("4cdb9875c662")


# --- One run of numbers, labels and a trace without a change ---

CONFIGS = [
    {"strategy_id": "b20", "bollinger_bands": {"period": 20, "std_dev": 2.0}, "constraints": "intraday"},
    {"strategy_id": "b20_int", "bollinger_bands": {"period": 20, "std_dev": 2}, "constraints": "intraday"},
    {"strategy_id": "b10", "bollinger_bands": {"period": 10, "std_dev": 1.5}, "threshold": "0.5 AND volume > 0"},
    {"strategy_id": "silent", "rsi": {"period": 14}},
    {"strategy_id": "regime", "volatility_regime": {"window": 20, "names": ["calm", "wild é"]}},
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Shared by the tests of this module, which only read."""
    folder = tmp_path_factory.mktemp("store")
    shared = Workspace(folder, Signalbook(folder))
    signals = make_signals(BARS, 3, seed=5)
    signals[:30, 2] = np.nan
    labels = np.array(["calm", "wild é"])[np.arange(BARS) // 20 % 2]
    shared.columns = {"b20": signals[:, 0], "b20_int": signals[:, 1], "b10": signals[:, 2], "regime": labels}
    shared.run = shared.record("--code-version", "v1", strategies=CONFIGS, signals=pa.table(shared.columns))
    shared.rows = {row["strategy_id"]: row for row in read_index(shared.run)}
    return shared


@pytest.fixture
def fresh(tmp_path, signalbook):
    return Workspace(tmp_path, signalbook)


def trace_file(workspace, strategy_id):
    return pq.ParquetFile(workspace.run / workspace.rows[strategy_id]["trace_path"], page_checksum_verification=True)


# --- A trace ---


@pytest.mark.parametrize("strategy_id", [c["strategy_id"] for c in CONFIGS])
def test_trace_schema(workspace, strategy_id):
    file = trace_file(workspace, strategy_id)
    val = pa.string() if strategy_id == "regime" else pa.float64()
    expected = [("idx", pa.int64()), ("ts", UTC), ("sym", pa.string()), ("val", val), ("strat", pa.string()),
                ("px", pa.float64()), ("strategy_hash", pa.string()), ("metadata", pa.string())]  # fmt: skip
    assert [(f.name, f.type) for f in file.schema_arrow] == expected
    physical = [file.schema.column(i).physical_type for i in range(8)]
    text = "BYTE_ARRAY"
    assert physical == ["INT64", "INT64", text, text if val == pa.string() else "DOUBLE", text, "DOUBLE", text, text]
    logical = json.loads(file.schema.column(1).logical_type.to_json())
    assert logical["isAdjustedToUTC"] is True and logical["timeUnit"] == "microseconds"
    assert {file.schema.column(i).logical_type.type for i in (2, 4, 6, 7)} == {"STRING"}


@pytest.mark.parametrize("strategy_id", [c["strategy_id"] for c in CONFIGS])
def test_trace_metadata(workspace, strategy_id):
    file, row = trace_file(workspace, strategy_id), workspace.rows[strategy_id]
    metadata = {k.decode(): v.decode() for k, v in file.metadata.metadata.items()}
    config = {k: v for k, v in CONFIGS[[c["strategy_id"] for c in CONFIGS].index(strategy_id)].items()}
    config.pop("strategy_id")
    assert metadata.keys() >= METADATA_KEYS
    assert metadata["bar_count"] == str(row["bar_count"])
    assert metadata.keys() == METADATA_KEYS | {"symbol", "timeframe", "bar_count"} and "ARROW:schema" not in metadata
    assert metadata["strategy_id"] == strategy_id
    assert metadata["strategy_digest"] == strategy_digest(config).hexdigest()
    assert metadata["strategy_hash"] == metadata["strategy_digest"][:12]
    assert json.loads(metadata["strategy_config"]) == config
    assert metadata["creation_time"] == "2023-11-14T22:13:20Z"
    assert metadata["signalbook.format_version"] == "1"
    assert metadata["trace_hash"] == row["trace_hash"].hex()
    assert metadata["data_id"] == data_id("SPY", "5m", workspace.bars)


@pytest.mark.parametrize("strategy_id", ["b20", "b10", "regime"])
def test_trace_encodings(workspace, strategy_id):
    metadata = trace_file(workspace, strategy_id).metadata
    assert metadata.num_row_groups == 1
    for i in range(8):
        column = metadata.row_group(0).column(i)
        name = column.path_in_schema
        assert column.compression == "SNAPPY"
        if name in ("idx", "ts"):
            assert "DELTA_BINARY_PACKED" in column.encodings and not column.has_dictionary_page
        elif name in ("px", "metadata"):
            assert set(column.encodings) <= {"PLAIN", "RLE"} and not column.has_dictionary_page
        else:
            assert column.has_dictionary_page, name
        assert column.is_stats_set == (name in ("idx", "ts", "strategy_hash")), name
        if name == "strategy_hash":
            assert column.statistics.min == column.statistics.max == workspace.rows[strategy_id]["strategy_hash"]


def test_trace_rows(workspace):
    """What the other columns hold: the same text on every row, the configuration on the first one only."""
    for strategy_id, row in workspace.rows.items():
        table = read_trace(workspace.run, row)
        assert set(table["sym"].to_pylist()) <= {"SPY"}
        assert set(table["strat"].to_pylist()) <= {strategy_id}
        assert set(table["strategy_hash"].to_pylist()) <= {row["strategy_hash"]}
        metadata = table["metadata"].to_pylist()
        assert metadata[1:] == [None] * (len(table) - 1) if metadata else strategy_id == "silent"
        if metadata:
            assert json.loads(metadata[0]) == json.loads(row["strategy_config"])
    assert_series(workspace.run, workspace.columns | {"silent": []})


def test_trace_pages_have_checksums(workspace):
    """A flipped byte in any column's data is found by a stock reader that is asked to look."""
    source = workspace.run / workspace.rows["b20"]["trace_path"]
    metadata = pq.ParquetFile(source).metadata.row_group(0)
    for i in range(metadata.num_columns):
        column = metadata.column(i)
        start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
        damaged = bytearray(source.read_bytes())
        damaged[start + column.total_compressed_size - 1] ^= 0x10  # the last byte of the last page
        copy = workspace.folder / "damaged.parquet"
        copy.write_bytes(damaged)
        with pytest.raises(OSError, match="[Cc]hecksum|CRC|crc"):
            pq.ParquetFile(copy, page_checksum_verification=True).read(columns=[column.path_in_schema])


def test_stock_duckdb_reads_traces(workspace):
    folder = workspace.run / "traces"
    (count, kind, ts) = duckdb.sql(
        f"SELECT count(*), any_value(typeof(val)), any_value(typeof(ts)) FROM '{folder}/*/signals/*/*.parquet'"
    ).fetchone()
    changes = sum(row["change_count"] for row in workspace.rows.values() if row["kind"] == "signal")
    assert (count, kind, ts) == (changes, "DOUBLE", "TIMESTAMP WITH TIME ZONE")
    (label,) = duckdb.sql(f"SELECT min(val) FROM '{folder}/*/classifiers/*/*.parquet'").fetchone()
    assert label == "calm"
    keys = duckdb.sql(f"SELECT decode(key) FROM parquet_kv_metadata('{folder}/*/classifiers/*/*.parquet')").fetchall()
    assert METADATA_KEYS <= {key for (key,) in keys}


def test_trace_paths(workspace):
    for row in workspace.rows.values():
        folder = "classifiers" if row["kind"] == "classifier" else "signals"
        kind, short = row["strategy_type"], row["strategy_hash"]
        assert row["trace_path"] == f"traces/SPY_5m/{folder}/{kind}/SPY_5m_{kind}_{short}.parquet"
    files = {str(p.relative_to(workspace.run)) for p in workspace.run.rglob("*") if p.is_file()}
    assert files == {row["trace_path"] for row in workspace.rows.values()} | BESIDE


# --- The index ---

REAL, TEXT, BOOL = pa.float64(), pa.string(), pa.bool_()
BEFORE_PARAMETERS = [
    ("trace_id", pa.int32()), ("strategy_id", pa.string()), ("strategy_hash", pa.string()),
    ("strategy_digest", pa.binary(32)), ("value_digest", pa.binary(8)), ("strategy_type", pa.string()),
    ("symbol", pa.string()), ("timeframe", pa.string()), ("kind", pa.string()),
]  # fmt: skip
METRICS = [(name, REAL) for name in (
    "total_return", "total_pnl", "annual_return", "annual_volatility", "sharpe_ratio", "sortino_ratio", "calmar_ratio",
    "max_drawdown", "win_rate", "profit_factor", "avg_trade_return", "avg_bars_held", "exposure",
    "turnover")]  # fmt: skip
METRICS += [(name, pa.int64()) for name in ("max_drawdown_bars", "trade_count", "long_trades", "short_trades")]
AFTER_PARAMETERS = [
    ("constraints", pa.string()), ("threshold", pa.string()), ("trace_path", pa.string()),
    ("trace_hash", pa.binary(16)), ("data_id", pa.string()), ("bar_count", pa.int64()),
    ("observed_from", pa.int64()), ("observed_to", pa.int64()), ("complete", pa.bool_()),
    ("change_count", pa.int64()), ("first_ts", UTC), ("last_ts", UTC), *METRICS, ("metrics_definition", pa.string()),
    ("strategy_config", pa.string()), ("aliases", pa.list_(pa.string())), ("file_size", pa.int64()),
    ("file_sha256", pa.binary(32)), ("pack", pa.string()), ("row_start", pa.int64()), ("row_count", pa.int64()),
    ("created_at", UTC),
]  # fmt: skip


def test_index_columns(workspace):
    schema = pq.ParquetFile(workspace.run / "strategy_index.parquet").schema_arrow
    columns = [(f.name, f.type) for f in schema]
    parameters = [c for c in columns if c[0].startswith("param_")]
    assert sorted(columns) == sorted(BEFORE_PARAMETERS + parameters + AFTER_PARAMETERS)
    assert columns[:9] == BEFORE_PARAMETERS
    assert dict(parameters) == {"param_period": pa.float64(), "param_std_dev": pa.float64(),
                                "param_window": pa.float64(), "param_names": pa.string()}  # fmt: skip


def test_index_rows(workspace):
    for config in CONFIGS:
        row = workspace.rows[config["strategy_id"]]
        config = {k: v for k, v in config.items() if k != "strategy_id"}
        digest = strategy_digest(config)
        assert row["strategy_digest"] == digest.digest() and row["strategy_hash"] == digest.hexdigest()[:12]
        assert row["value_digest"] == strategy_digest(config, plain=True).digest()[:8]
        assert json.loads(row["strategy_config"]) == config
        assert row["constraints"] == config.get("constraints") and row["threshold"] == config.get("threshold")
        assert row["strategy_type"] in config
        assert (row["symbol"], row["timeframe"], row["aliases"]) == ("SPY", "5m", [])
        assert row["data_id"] == data_id("SPY", "5m", workspace.bars)
        assert row["created_at"].timestamp() == EPOCH
        assert [row[name] for name, _ in METRICS] == [None] * len(METRICS) and row["metrics_definition"] is None
        trace = read_trace(workspace.run, row)
        assert row["change_count"] == len(trace)
        if len(trace):
            assert (row["first_ts"], row["last_ts"]) == (trace["ts"][0].as_py(), trace["ts"][-1].as_py())
            assert (row["observed_from"], row["observed_to"]) == (trace["idx"][0].as_py(), BARS - 1)
        assert row["trace_hash"] == trace_hash(trace["idx"].to_pylist(), trace["val"].to_pylist(), row["bar_count"])
        content = (workspace.run / row["trace_path"]).read_bytes()
        assert row["file_size"] == len(content) and row["file_sha256"] == hashlib.sha256(content).digest()
    rows = workspace.rows
    assert rows["b20"]["value_digest"] == rows["b20_int"]["value_digest"]
    assert rows["b20"]["strategy_hash"] != rows["b20_int"]["strategy_hash"]
    assert {row["kind"] for row in rows.values()} == {"signal", "classifier"}


def test_index_is_in_order(workspace):
    """Like beside like; trace_id counts the rows."""
    rows = read_index(workspace.run)
    assert [row["trace_id"] for row in rows] == [*range(len(rows))]
    types = [(row["kind"], row["strategy_type"]) for row in rows]
    assert len(set(types)) == 1 + sum(a != b for a, b in itertools.pairwise(types))
    bollinger = [row["param_period"] for row in rows if row["strategy_type"] == "bollinger_bands"]
    assert bollinger == sorted(bollinger)


def parameters_of(fresh, configs):
    """The param_* columns of a run of these parameters: name -> values in the order of the configurations."""
    strategies = [{"type": "t", "parameters": p | {"_n": n}} for n, p in enumerate(configs)]
    fresh.bars = make_bars(10)
    run = fresh.record(strategies=strategies, signals=wide_table(make_signals(10, len(configs))))
    table = read_parquet(run / "strategy_index.parquet")
    order = np.argsort([int(i.split("_")[1]) for i in table["strategy_id"].to_pylist()])
    return {n: table[n].take(list(order)) for n in table.column_names if n.startswith("param_")}


def assert_columns(actual, expected):
    assert actual.keys() == expected.keys()
    for name, (kind, values) in expected.items():
        assert actual[name].type == kind and actual[name].to_pylist() == values, name


def test_parameters_of_one_type(fresh):
    actual = parameters_of(fresh, [
        {"i": 1, "mixed": 1, "text": "a", "flag": True, "list": [1, 2.0, "x"], "nested": {"b": 1, "a": [None]}},
        {"i": -(2**53), "mixed": 2.5, "text": "", "flag": False, "list": [], "nested": {}},
        {"only_here": 5e-324},
    ])  # fmt: skip
    assert_columns(actual, {
        "param_i": (REAL, [1, -(2**53), None]),
        "param_mixed": (REAL, [1, 2.5, None]),
        "param_text": (TEXT, ["a", "", None]),
        "param_flag": (BOOL, [True, False, None]),
        "param_list": (TEXT, actual["param_list"].to_pylist()),
        "param_nested": (TEXT, actual["param_nested"].to_pylist()),
        "param_only_here": (REAL, [None, None, 5e-324]),
    })  # fmt: skip
    assert [json.loads(t) for t in actual["param_list"].to_pylist()[:2]] == [[1, 2.0, "x"], []]
    assert [json.loads(t) for t in actual["param_nested"].to_pylist()[:2]] == [{"b": 1, "a": [None]}, {}]


def test_parameters_of_several_types(fresh):
    actual = parameters_of(fresh, [
        {"nt": 1, "nb": True, "bt": False, "all": 0.5},
        {"nt": "two", "nb": 2, "bt": "x", "all": "y"},
        {"nt": 3, "nb": 1.5, "all": True},
    ])  # fmt: skip
    bt = {k: v for k, v in actual.items() if k.startswith("param_bt")}
    assert_columns({k: v for k, v in actual.items() if k not in bt}, {
        "param_nt": (REAL, [1, None, 3]),
        "param_nt__str": (TEXT, [None, "two", None]),
        "param_nb": (REAL, [None, 2, 1.5]),
        "param_nb__bool": (BOOL, [True, None, None]),
        "param_all": (REAL, [0.5, None, None]),
        "param_all__str": (TEXT, [None, "y", None]),
        "param_all__bool": (BOOL, [None, None, True]),
    })  # fmt: skip
    assert_columns(bt, {"param_bt__str": (TEXT, [None, "x", None]), "param_bt__bool": (BOOL, [False, None, None])})


def test_big_integers(fresh):
    """A number where a double holds it, text with all digits where it does not."""
    values = [2**53, 2**53 + 1, 2**63, -(2**63) - 1, 10**22, 10**23, 10**400]
    actual = parameters_of(fresh, [{"n": v} for v in values] + [{"only": 2**60 + 1}])
    held = [v < 2**2000 and v == int(float(v)) if v < 10**300 else False for v in values]
    assert held == [True, False, True, False, True, False, False]
    assert_columns(actual, {
        "param_n": (REAL, [float(v) if ok else None for v, ok in zip(values, held)] + [None]),
        "param_n__str": (TEXT, [None if ok else str(v) for v, ok in zip(values, held)] + [None]),
        "param_only__str": (TEXT, [None] * 7 + [str(2**60 + 1)]),
    })  # fmt: skip


def test_names_that_differ_in_case_only(fresh):
    actual = parameters_of(fresh, [{"period": 1, "Period": 2}, {"PERIOD": 3}, {"period": "x"}])
    assert len({name.lower() for name in actual}) == len(actual) == 4
    found = [{n: v for n, c in actual.items() if (v := c[row].as_py()) is not None} for row in range(3)]
    assert sorted(found[0].values()) == [1, 2] and [*found[1].values()] == [3] and [*found[2].values()] == ["x"]
    assert any("__2" in name for name in actual) and any("__3" in name for name in actual)
    row = duckdb.sql(f"SELECT * FROM read_parquet('{fresh.store}/run_1/strategy_index.parquet')").columns
    assert set(actual) <= set(row)


def test_a_name_that_looks_like_one_of_ours(fresh):
    actual = parameters_of(fresh, [{"x": 1, "x__str": "mine"}, {"x": "two"}])
    assert actual["param_x"].to_pylist() == [1, None] and len(actual) == 3
    texts = [[v for n, c in actual.items() if n != "param_x" and (v := c[row].as_py())] for row in range(2)]
    assert texts == [["mine"], ["two"]]


def test_null_is_no_value_and_part_of_the_identity(fresh):
    strategies = [{"t": {"p": None}}, {"t": {}}, {"t": {"p": 1}}]
    run = fresh.record(strategies=strategies, signals=wide_table(make_signals(BARS, 3)))
    rows = {row["strategy_id"]: row for row in read_index(run)}
    assert [rows[f"strategy_{i}"]["param_p"] for i in range(3)] == [None, None, 1]
    assert [rows[f"strategy_{i}"]["strategy_hash"] for i in range(3)] == [
        strategy_digest(s).hexdigest()[:12] for s in strategies]  # fmt: skip


def test_private_parameters_do_not_count(fresh):
    config = {"strategy_id": "a", "t": {"p": 1, "_seed": 5}, "_note": "x"}
    run = fresh.record(strategies=config, signals=pa.table({"a": np.ones(BARS)}))
    (row,) = read_index(run)
    assert row["strategy_digest"] == strategy_digest({"t": {"p": 1}}).digest()
    assert json.loads(row["strategy_config"]) == {"t": {"p": 1, "_seed": 5}, "_note": "x"}


# --- The run and the bars ---


def test_run_json_matches_the_files(workspace):
    description = json.loads((workspace.run / "run.json").read_text())
    beside = {p.name for p in workspace.run.iterdir() if p.is_file()} - {"run.json"}
    assert {f["path"] for f in description["files"]} == beside
    for file in description["files"]:
        content = (workspace.run / file["path"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    (feed,) = description["feeds"]
    assert feed["data_id"] == data_id("SPY", "5m", workspace.bars)
    assert feed["bar_count"] == BARS


def test_bars_are_stored_once(fresh):
    """Under their data_id, which tells symbols apart and nothing else."""
    signals = pa.table({"strategy_0": np.ones(BARS)})
    runs = [fresh.record(strategies=make_strategies(1), signals=signals, run=f"run_{i}") for i in range(2)]
    (path,) = (fresh.store / "bars").iterdir()
    assert path.name == data_id("SPY", "5m", fresh.bars) + ".parquet"
    inode = os.stat(path).st_ino
    assert [read_index(run)[0]["data_id"] for run in runs] == [path.stem] * 2
    bars = read_parquet(path)
    assert bars.column_names[:3] == ["data_id", "symbol", "timeframe"]
    assert set(bars["data_id"].to_pylist()) == {path.stem}
    assert bars["idx"].to_pylist() == [*range(BARS)] and bars.schema.field("ts").type == UTC
    assert bars["ts"].to_pylist() == fresh.bars["timestamp"].to_pylist()
    for name in ("open", "high", "low", "close", "volume"):
        assert bars[name].to_pylist() == fresh.bars[name].cast(pa.float64()).to_pylist()
    fresh.record(strategies=make_strategies(1), signals=signals, run="run_2", symbol="QQQ")
    assert os.stat(path).st_ino == inode
    names = {p.stem for p in (fresh.store / "bars").iterdir()}
    assert names == {data_id("SPY", "5m", fresh.bars), data_id("QQQ", "5m", fresh.bars)}


def test_data_id_with_and_without_volume(fresh):
    signals = pa.table({"strategy_0": np.ones(BARS)})
    bars = fresh.bars.drop_columns(["volume"])
    run = fresh.record(bars=bars, strategies=make_strategies(1), signals=signals)
    assert read_index(run)[0]["data_id"] == data_id("SPY", "5m", bars) != data_id("SPY", "5m", fresh.bars)


# --- Questions ---


def test_the_query_of_the_specification_in_stock_duckdb(workspace, monkeypatch):
    monkeypatch.chdir(workspace.run)
    found = duckdb.sql("SELECT * FROM read_parquet('strategy_index.parquet') WHERE param_period = 20")
    ids = sorted(found.project("strategy_id").fetchall())
    assert ids == [("b20",), ("b20_int",)]
    (aliases,) = duckdb.sql("SELECT any_value(aliases) FROM read_parquet('strategy_index.parquet')").fetchone()
    assert aliases == []


@pytest.mark.parametrize("place", ["run", "store", "folder"])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT strategy_id FROM strategy_index.parquet WHERE period = 20 ORDER BY 1",
        "SELECT strategy_id FROM 'strategy_index.parquet' WHERE param_period = 20 ORDER BY 1",
        "SELECT strategy_id FROM read_parquet('strategy_index.parquet') WHERE param_period = 20 ORDER BY 1",
        "SELECT strategy_id FROM 'results/*/strategy_index.parquet' WHERE period = 20 ORDER BY 1;",
        "SELECT strategy_id FROM strategies WHERE strategy_type = 'bollinger_bands' AND period = 20 ORDER BY 1",
    ],
)
def test_the_same_query_in_our_sql(workspace, place, query):
    folder = getattr(workspace, place)
    rows = workspace.signalbook.query(query, cwd=folder)
    assert rows == [{"strategy_id": "b20"}, {"strategy_id": "b20_int"}]


def test_views(workspace):
    ask = workspace.signalbook.query
    (row,) = ask("SELECT count(*) AS n, count(val) AS numbers, count(label) AS labels FROM traces", cwd=workspace.store)
    changes = {k: sum(r["change_count"] for r in workspace.rows.values() if r["kind"] == k)
               for k in ("signal", "classifier")}  # fmt: skip
    assert row == {"n": sum(changes.values()), "numbers": changes["signal"], "labels": changes["classifier"]}
    (row,) = ask("SELECT count(*) AS n, sum(close) AS s FROM bars", cwd=workspace.store)
    assert row["n"] == BARS and abs(row["s"] - sum(workspace.bars["close"].to_pylist())) < 1e-6
    assert [r["run_id"] for r in ask("SELECT run_id FROM runs", cwd=workspace.store)] == ["run_1"]
    other_prices = (
        "SELECT t.idx, b.close, t.px FROM traces t JOIN strategies s ON t.strat = s.strategy_id "
        "JOIN bars b ON b.data_id = s.data_id AND b.idx = t.idx WHERE t.px <> b.close"
    )
    assert ask(other_prices, cwd=workspace.store) == []


# --- One configuration twice ---


def test_equal_traces_are_one_row_with_an_alias(fresh):
    strategies = [{"strategy_id": "a", "rsi": {"n": 1}}, {"strategy_id": "b", "type": "rsi", "parameters": {"n": 1}},
                  {"strategy_id": "c", "rsi": {"n": 2}}]  # fmt: skip
    values = make_signals(BARS, 1)[:, 0]
    run = fresh.record(strategies=strategies, signals=pa.table({"a": values, "b": values, "c": values}))
    rows = {row["strategy_id"]: row for row in read_index(run)}
    assert rows.keys() == {"a", "c"} and rows["a"]["aliases"] == ["b"] and rows["c"]["aliases"] == []
    assert len(list(run.rglob("traces/**/*.parquet"))) == 2
    assert_series(run, {"a": values, "b": values, "c": values})
    shown = fresh.signalbook.ok("trace", "b", "--format", "csv", cwd=fresh.store)
    assert shown.raw == fresh.signalbook.ok("trace", "a", "--format", "csv", cwd=fresh.store).raw
    assert json.loads((run / "run.json").read_text())["counts"]["changes"] == sum(
        row["change_count"] for row in rows.values())  # fmt: skip


def test_different_traces_are_both_kept_and_reported(fresh):
    strategies = [{"strategy_id": i, "rsi": {"n": 1}} for i in "abc"]
    values = make_signals(BARS, 2)
    signals = pa.table({"a": values[:, 0], "b": values[:, 1], "c": values[:, 1]})
    outcome = fresh.attempt(strategies=strategies, signals=signals)
    assert outcome.code == 0
    assert "warning" in outcome.err and "a and b" in outcome.err and "deterministic" in outcome.err
    run = fresh.store / "run_1"
    rows = {row["strategy_id"]: row for row in read_index(run)}
    assert rows.keys() == {"a", "b"} and rows["b"]["aliases"] == ["c"]
    assert rows["a"]["strategy_hash"] == rows["b"]["strategy_hash"]
    assert rows["a"]["trace_path"] != rows["b"]["trace_path"]
    assert_series(run, {"a": values[:, 0], "b": values[:, 1], "c": values[:, 1]})
    for strategy_id, column in [("a", 0), ("b", 1), ("c", 1)]:
        dense = fresh.signalbook.ok("trace", strategy_id, "--dense", "--format", "json", cwd=fresh.store).json
        assert [row["val"] for row in dense] == list(values[:, column])


def test_equal_traces_on_two_feeds_are_two_rows(fresh):
    values = make_signals(BARS, 1)[:, 0]
    feeds = {"A_5m": make_bars(BARS, 1), "B_5m": make_bars(BARS, 2)}
    signals = pa.table({"A_5m/strategy_0": values, "B_5m/strategy_0": values})
    run = fresh.record(feeds=feeds, strategies=make_strategies(1), signals=signals)
    rows = read_index(run)
    assert len(rows) == 2 and [row["aliases"] for row in rows] == [[], []]
    assert rows[0]["trace_hash"] == rows[1]["trace_hash"] and rows[0]["data_id"] != rows[1]["data_id"]
