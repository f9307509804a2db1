"""The commands that ask: hash, list, show, trace, sql and demo, and their output for other programs."""

import io
import itertools
import json
import shutil
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import (
    Signalbook,
    Workspace,
    make_bars,
    make_signals,
    make_strategies,
    parse_csv,
    read_index,
    read_tree,
    wide_table,
)

BARS = 200
PINNED = '{"bollinger_bands":{"period":20,"std_dev":2.0},"constraints":"intraday"}'
CANONICAL = '{"constraints":"intraday","parameters":{"period":20,"std_dev":2.0},"type":"bollinger_bands"}'


# --- hash ---


def test_pinned_hashes(signalbook):
    assert signalbook.ok("hash", "-", stdin=PINNED + "\n").out == "39a6426ec117\n"
    assert signalbook.ok("hash", "-", stdin=PINNED.replace("2.0", "2") + "\n").out == "4cdb9875c662\n"


def test_hash_forms(signalbook, tmp_path):
    file = tmp_path / "c.json"
    file.write_text(PINNED)
    for source, stdin in [(file, ""), ("-", PINNED)]:
        assert signalbook.ok("hash", source, stdin=stdin).out == "39a6426ec117\n"
        assert signalbook.ok("hash", source, "--canonical", stdin=stdin).out == CANONICAL + "\n"
        full = signalbook.ok("hash", "--full", source, stdin=stdin).out
        assert full.startswith("39a6426ec117") and len(full) == 65
    lines = signalbook.ok("hash", "--lines", "-", stdin=(PINNED + "\n") * 3)
    assert lines.out == "39a6426ec117\n" * 3
    yaml = "bollinger_bands:\n  period: 20\n  std_dev: 2.0\nconstraints: intraday\n"
    assert signalbook.ok("hash", "-", stdin=yaml).out == "39a6426ec117\n"


def test_hash_of_many_lines_tells_which_is_wrong(signalbook):
    outcome = signalbook("hash", "--lines", "-", stdin=PINNED + "\n{\n" + PINNED + "\n")
    assert outcome.code == 2 and outcome.out == "39a6426ec117\n" and "configuration 2" in outcome.err
    assert signalbook("hash", "nothing.json").code == 1


SWEEPS = {
    "reals": ('- rsi: {n: "range(0.5,4.4,0.1)"}', [{"rsi": {"n": t / 10}} for t in range(5, 45)]),
    "integers": ('- rsi: {n: "range(10, 50, 5)"}', [{"rsi": {"n": n}} for n in range(10, 51, 5)]),
    "small steps": ('- rsi: {n: "range(0.001,0.01,0.001)"}', [{"rsi": {"n": n / 1000}} for n in range(1, 11)]),
    "mixed literals": ('- rsi: {n: "range(1, 2, 0.25)"}', [{"rsi": {"n": n}} for n in (1.0, 1.25, 1.5, 1.75, 2.0)]),
    "downwards": ('- rsi: {n: "range(3, 1, -1)"}', [{"rsi": {"n": n}} for n in (3, 2, 1)]),
    "b is not hit": ('- rsi: {n: "range(1, 6, 2)"}', [{"rsi": {"n": n}} for n in (1, 3, 5)]),
    "product": (
        '- type: bollinger_bands\n  constraints: intraday\n  parameters: {period: "range(10,12)", std_dev: [1.5,2]}\n',
        [{"type": "bollinger_bands", "parameters": {"period": p, "std_dev": s}, "constraints": "intraday"}
         for p in (10, 11, 12) for s in (1.5, 2)],
    ),
    "combinations": (
        "- rsi:\n    period: [7, 14]\n    params: [{low: 20, high: 80}, {low: 30, high: 70}]\n",
        [{"rsi": {"period": p} | c} for p in (7, 14) for c in ({"low": 20, "high": 80}, {"low": 30, "high": 70})],
    ),
    "core schema": ("- rsi: {a: 1e-3, b: 017, c: 12:30, d: yes, e: 0x1F, f: true, g: ~, h: 2., i: '2'}",
                    [{"rsi": {"a": 0.001, "b": 17, "c": "12:30", "d": "yes", "e": 31, "f": True, "g": None, "h": 2.0,
                              "i": "2"}}]),
}  # fmt: skip


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_has_one_hash_in_every_format(signalbook, tmp_path, name):
    yaml, configs = SWEEPS[name]
    texts = {"s.yaml": yaml, "s.json": json.dumps(configs), "s.jsonl": "\n".join(map(json.dumps, configs))}
    for file, text in texts.items():
        (tmp_path / file).write_text(text)
    expected = signalbook.ok("hash", "--full", "s.json").out
    assert len(set(expected.split())) == len(configs)
    for file in texts:
        assert signalbook.ok("hash", "--full", file).out == expected, file
        canonical = signalbook.ok("hash", "--canonical", file).out.splitlines()
        parameters = [json.loads(line)["parameters"] for line in canonical]
        assert parameters == [c.get("parameters") or c["rsi"] for c in configs], file
        assert [list(map(type, p.values())) for p in parameters] == [
            [type(v) for _, v in sorted((c.get("parameters") or c["rsi"]).items())] for c in configs]  # fmt: skip


# --- A store of two runs ---


def sweep():
    configs = [{"bollinger_bands": {"period": p, "std_dev": s}} for p in (10, 20) for s in (1.5, 2.0)]
    configs += [{"rsi": {"period": 14, "mode": "fast", "exit": True}}, {"rsi": {"period": 14, "mode": 3}},
                {"momentum": {"threshold": 0.25, "symbol": "VIX", "kind": 7}, "threshold": "0.5 AND x"},
                {"rsi": {"period": 1}}, {"bollinger_bands": {"period": 20, "std_dev": 2}},
                {"regime": {"window": 9}}]  # fmt: skip
    return configs


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Shared by the tests of this module, which only read."""
    folder = tmp_path_factory.mktemp("cli")
    shared = Workspace(folder, Signalbook(folder))
    for number in range(2):
        columns = list(make_signals(BARS, 9, seed=number, values=(-1, 0, 0.5, 1)).T)
        columns[2][:10] = np.nan
        columns.append(np.array(["calm", 'wild, "é"'])[np.arange(BARS) // (9 + number) % 2])
        shared.columns = columns
        shared.record("--code-version", f"v{number}", strategies=sweep(), signals=wide_table(columns),
                      run=f"run_{number}")  # fmt: skip
    shared.run = shared.store / "run_1"
    shared.rows = {row["strategy_id"]: row for row in read_index(shared.run)}
    return shared


def listed(workspace, *options, cwd=None):
    done = workspace.signalbook.ok("list", "--format", "json", *options, cwd=cwd or workspace.run)
    return [row["strategy_id"] for row in done.json]


def ids(*numbers):
    return [f"strategy_{n}" for n in numbers]


def test_list_everything(workspace):
    assert sorted(listed(workspace)) == sorted(workspace.rows)
    rows = workspace.signalbook.ok("list", "--format", "json", cwd=workspace.store).json
    assert len(rows) == 20 and {row["run_id"] for row in rows} == {"run_0", "run_1"}
    for row in rows:
        if row["run_id"] == "run_1":
            stored = workspace.rows[row["strategy_id"]]
            assert all(row[k] == stored[k] for k in ("strategy_hash", "strategy_type", "change_count", "bar_count"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--type", "bollinger_bands"], ids(0, 1, 2, 3, 8)),
        (["--type", "nobody"], []),
        (["--param", "period=20"], ids(2, 3, 8)),
        (["--param", "period=20.0", "--param", "std_dev=2"], ids(3, 8)),
        (["--param", "std_dev>1.5"], ids(1, 3, 8)),
        (["--param", "std_dev >= 2", "--param", "period<20"], ids(1)),
        (["--param", "period!=20", "--type", "bollinger_bands"], ids(0, 1)),
        (["--param", "mode=fast"], ids(4)),
        (["--param", "mode=3"], ids(5)),
        (["--param", "exit=true"], ids(4)),
        (["--param", "exit=false"], []),
        (["--param", "threshold=0.25"], ids(6)),
        (["--param", "symbol=VIX"], ids(6)),
        (["--param", "period=1"], ids(7)),
        (["--where", "std_dev = 1.5 OR strategy_type = 'regime'"], ids(0, 2, 9)),
        (["--where", "true OR true", "--type", "regime"], ids(9)),
    ],
)
def test_list_filters(workspace, options, expected):
    assert sorted(listed(workspace, *options)) == sorted(expected)


def test_list_filters_by_names_that_differ_in_case_only(tmp_path, signalbook):
    """Two parameters: the one that is written is meant, whichever of them the columns call __2."""
    shared = Workspace(tmp_path, signalbook)
    configs = [{"rsi": {"Period": 99, "period": 1}}, {"rsi": {"period": 99}}, {"rsi": {"Period": 1}}]
    run = shared.record(strategies=configs, signals=wide_table(make_signals(BARS, 3)))
    assert listed(shared, "--param", "Period=99", cwd=run) == ids(0)
    assert listed(shared, "--param", "period=99", cwd=run) == ids(1)
    assert listed(shared, "--param", "Period=1", cwd=run) == ids(2)
    assert listed(shared, "--param", "period=1", cwd=run) == ids(0)


def test_list_of_an_unknown_parameter(workspace):
    outcome = workspace.signalbook("list", "--param", "nothing=1", cwd=workspace.run)
    assert outcome.code == 1 and "nothing" in outcome.err


def test_list_shows_parameters_that_are_named_like_other_columns(workspace):
    """threshold, symbol and kind of the parameters beside those of the index: both are there, told apart."""
    (row,) = workspace.signalbook.ok("list", "--type", "momentum", "--format", "json", cwd=workspace.run).json
    values = list(row.values())
    assert 0.25 in values and "0.5 AND x" in values
    assert "VIX" in values and row["symbol"] == "SPY" and 7.0 in values
    table = workspace.signalbook.ok("list", "--type", "momentum", "--format", "csv", cwd=workspace.run).out
    header = table.splitlines()[0].split(",")
    assert len(set(header)) == len(header)


def test_list_in_order(workspace):
    bollinger = ["--type", "bollinger_bands"]
    assert listed(workspace, *bollinger, "--sort-by", "std_dev")[:2] == ids(0, 2)
    assert set(listed(workspace, *bollinger, "--sort-by", "std_dev desc")[:3]) == set(ids(1, 3, 8))
    counts = {i: r["change_count"] for i, r in workspace.rows.items()}
    by_count = [counts[i] for i in listed(workspace, "--sort-by", "change_count DESC")]
    assert by_count == sorted(by_count, reverse=True)
    modes = listed(workspace, "--sort-by", "param_mode__str")
    assert modes[0] == "strategy_4"  # NULL last
    outcome = workspace.signalbook("list", "--sort-by", "chang_count", cwd=workspace.run)
    assert outcome.code == 2 and "chang_count: there is no such column; there are change_count, " in outcome.err


def test_limit(workspace):
    outcome = workspace.signalbook.ok("list", "--limit", "3", "--format", "json", cwd=workspace.store)
    assert len(outcome.json) == 3 and "3 of 20" in outcome.err
    assert workspace.signalbook.ok("list", "--limit", "3", "--quiet", "--format", "json", cwd=workspace.store).err == ""
    assert workspace.signalbook.ok("list", "--limit", "0", "--format", "json", cwd=workspace.store).json == []
    for command in (["sql", "SELECT * FROM traces"], ["trace", "strategy_0", "--dense"], ["show", "strategy_0"]):
        rows = workspace.signalbook.ok(*command, "--limit", "1", "--format", "json", cwd=workspace.run).json
        assert len(rows) == 1


def test_list_says_same_values_other_spelling(workspace):
    said = workspace.signalbook.ok("list", "--type", "bollinger_bands", cwd=workspace.run).err
    assert "spelling" in said
    assert workspace.signalbook.ok("list", "--type", "rsi", cwd=workspace.run).err == ""


# --- show ---


def test_show_by_id_and_by_prefix(workspace):
    row = workspace.rows["strategy_3"]
    digest = row["strategy_digest"].hex()
    for name in ("strategy_3", digest[:6], digest[:12], digest, digest[:12].upper()):
        (shown,) = workspace.signalbook.ok("show", name, "--format", "json", cwd=workspace.run).json
        assert shown["strategy_id"] == "strategy_3" and shown["period"] == 20 and shown["std_dev"] == 2.0
        assert shown["strategy_digest"] == digest and json.loads(shown["strategy_config"]) == sweep()[3]
    text = workspace.signalbook.ok("show", digest[:12], cwd=workspace.run).out
    assert row["strategy_hash"] in text and "bollinger_bands" in text and '"std_dev": 2.0' in text
    both = workspace.signalbook.ok("show", digest[:12], "--format", "json", cwd=workspace.store).json
    assert [r["run_id"] for r in both] == ["run_0", "run_1"]


@pytest.mark.parametrize("name", ["strategy_99", "0000", "zzzz", "39a", "", "' OR 1=1 --"])
@pytest.mark.parametrize("command", ["show", "trace"])
def test_unknown_strategy(workspace, command, name):
    outcome = workspace.signalbook(command, "--", name, cwd=workspace.run)
    assert outcome.code == 1 and name in outcome.err and not outcome.raw, outcome


def test_ambiguous_prefix(tmp_path, signalbook):
    """Some two of 2,000 hashes begin with the same four digits; both are named, longer."""
    shared = Workspace(tmp_path, signalbook)
    count = 2000
    shared.bars = make_bars(3)
    strategies = [{"rsi": {"n": n}} for n in range(count)]
    run = shared.record(strategies=strategies, signals=wide_table(np.ones((3, count), dtype=np.int8)))
    hashes = sorted(row["strategy_hash"] for row in read_index(run))
    a, b = next((a, b) for a, b in itertools.pairwise(hashes) if a[:4] == b[:4])
    for command in ("show", "trace"):
        outcome = signalbook(command, a[:4], cwd=run)
        assert outcome.code == 2 and a in outcome.err and b in outcome.err
        longer = next(n for n in range(4, 13) if a[:n] != b[:n])
        assert signalbook(command, a[:longer] if longer < 12 else a, "--format", "json", cwd=run).code in (0, 2)
        assert signalbook(command, a, cwd=run).code == 0


# --- trace ---


def test_trace_changes_and_dense(workspace):
    for place, column in enumerate(workspace.columns):
        name = f"strategy_{place}"
        dense = workspace.signalbook.ok("trace", name, "--dense", "--format", "json", cwd=workspace.run).json
        values = [row["val"] for row in dense]
        assert values == [None if isinstance(v, float) and np.isnan(v) else v for v in column], name
        assert [row["idx"] for row in dense] == [*range(BARS)]
        assert [row["close"] for row in dense] == workspace.bars["close"].to_pylist()
        assert dense[0]["ts"] == "2024-01-02T14:35:00Z"
        changes = workspace.signalbook.ok("trace", name, "--format", "json", cwd=workspace.run).json
        assert len(changes) == workspace.rows[name]["change_count"]
        assert all(row["val"] == values[row["idx"]] for row in changes)
        assert [*changes[0]] == ["idx", "ts", "val", "px"]


def test_trace_in_several_runs_asks_which(workspace):
    outcome = workspace.signalbook("trace", "strategy_0", cwd=workspace.store)
    assert outcome.code == 2 and "run_0" in outcome.err and "run_1" in outcome.err and "--store" in outcome.err
    workspace.signalbook.ok("trace", "strategy_0", "--store", "run_0", cwd=workspace.store)


def test_trace_on_several_feeds(tmp_path, signalbook):
    shared = Workspace(tmp_path, signalbook)
    feeds = {"A_5m": make_bars(30, 1), "A_1h": make_bars(30, 2), "B_5m": make_bars(30, 3)}
    values = {name: make_signals(30, 1, seed=i)[:, 0] for i, name in enumerate(feeds)}
    columns = {f"{name}/strategy_0": v for name, v in values.items()}
    run = shared.record(feeds=feeds, strategies=[{"rsi": {}}], signals=pa.table(columns))
    outcome = signalbook("trace", "strategy_0", "--symbol", "A", cwd=run)
    assert outcome.code == 2 and "--timeframe" in outcome.err and "1h" in outcome.err
    for name in feeds:
        symbol, timeframe = name.split("_")
        options = ["--symbol", symbol, "--timeframe", timeframe, "--dense", "--format", "json"]
        dense = signalbook.ok("trace", "strategy_0", *options, cwd=run).json
        assert [row["val"] for row in dense] == list(values[name])
    assert signalbook("trace", "strategy_0", "--symbol", "C", cwd=run).code == 1


def test_trace_of_a_file(workspace):
    path = workspace.run / workspace.rows["strategy_0"]["trace_path"]
    by_path = workspace.signalbook.ok("trace", path, "--format", "json", cwd=workspace.folder)
    by_name = workspace.signalbook.ok("trace", "strategy_0", "--format", "json", cwd=workspace.run)
    assert by_path.json == by_name.json


def test_old_trace_files(workspace):
    """Without hash and metadata, integers for values, text for times: as the first recorder wrote them."""
    old = {
        "idx": [0, 4, 9],
        "ts": ["2024-03-26 13:30:00+00:00", "2024-03-26T13:50:00", "2024-03-26 14:15:00.500000+00:00"],
        "sym": ["SPY"] * 3,
        "val": pa.array([1, 0, -1], pa.int64()),
        "strat": ["SPY_bollinger_10_1.5"] * 3,
        "px": [521.25, 521.0, 520.5],
    }
    path = workspace.folder / "old.parquet"
    times = ["2024-03-26T13:30:00Z", "2024-03-26T13:50:00Z", "2024-03-26T14:15:00.500000Z"]
    expected = [{"idx": i, "ts": t, "val": float(v), "px": p}
                for i, t, v, p in zip([0, 4, 9], times, [1, 0, -1], [521.25, 521.0, 520.5])]  # fmt: skip
    for options in ({}, {"store_schema": False, "compression": "none"}, {"use_dictionary": False}):
        pq.write_table(pa.table(old), path, **options)
        assert workspace.signalbook.ok("trace", path, "--format", "json").json == expected
    pq.write_table(pa.table(old | {"val": ["trending", "", "ranging é"]}), path)
    assert [r["val"] for r in workspace.signalbook.ok("trace", path, "--format", "json").json][2] == "ranging é"
    pq.write_table(pa.table({"idx": [3], "val": [1.5]}), path)
    (row,) = workspace.signalbook.ok("trace", path, "--format", "json").json
    assert row["idx"] == 3 and row["val"] == 1.5


def test_damaged_trace_files(workspace):
    """3 is damage: a file that is no trace, an idx that goes back, a flipped byte."""
    path = workspace.folder / "odd.parquet"
    for table in (pa.table({"a": [1]}), pa.table({"idx": [3, 2], "val": [1.0, 0.0]}),
                  pa.table({"idx": [3, 3], "val": [1.0, 0.0]}), pa.table({"idx": [-1], "val": [1.0]}),
                  pa.table({"idx": [0, None], "val": [1.0, 0.0]}), pa.table({"idx": [0], "val": [None]})):  # fmt: skip
        pq.write_table(table, path)
        outcome = workspace.signalbook("trace", path)
        assert outcome.code == 3 and "odd.parquet" in outcome.err, (table, outcome)
    path.write_bytes(b"PAR1 nothing PAR1")
    assert workspace.signalbook("trace", path).code == 3
    assert workspace.signalbook("trace", "nothing.parquet", cwd=workspace.run).code == 1


def test_every_flipped_byte_of_a_trace_is_found_or_harmless(tmp_path, signalbook):
    """The program answers as before, or reports damage; it never answers otherwise."""
    shared = Workspace(tmp_path, signalbook)
    shared.bars = make_bars(40)
    run = shared.record(strategies=[{"rsi": {}}], signals=wide_table(make_signals(40, 1)))
    (row,) = read_index(run)
    path = run / row["trace_path"]
    content = path.read_bytes()
    expected = signalbook.ok("trace", "strategy_0", "--format", "csv", cwd=run).raw
    found = 0
    for place in range(0, len(content), max(1, len(content) // 60)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        outcome = signalbook("trace", "strategy_0", "--format", "csv", cwd=run)
        assert outcome.code == 3 or outcome.raw == expected, place
        found += outcome.code == 3
    assert found > 30


# --- sql ---


@pytest.mark.parametrize("place", ["run", "store", "folder", "traces"])
def test_sql_from_anywhere(workspace, place):
    folder = workspace.run / "traces" if place == "traces" else getattr(workspace, place)
    count = 10 if place in ("run", "traces") else 20
    for table in ("strategies", "strategy_index.parquet", "'strategy_index.parquet'"):
        assert workspace.signalbook.query(f"SELECT count(*) AS n FROM {table}", cwd=folder) == [{"n": count}]
    assert workspace.signalbook.query("SELECT count(*) AS n FROM 'results/*/strategy_index.parquet'", cwd=folder) == [
        {"n": 20}]  # fmt: skip
    paths = workspace.signalbook.query("SELECT DISTINCT trace_path FROM strategies", cwd=folder)
    assert len(paths) == count
    for row in paths:  # opens in stock tools from where the query ran
        assert (folder / row["trace_path"]).is_file()


def test_store_by_option_and_by_environment(workspace, tmp_path):
    query = ["sql", "SELECT count(*) AS n FROM strategies", "--format", "json"]
    for store, count in [(workspace.store, 20), (workspace.run, 10), (f"{workspace.run}/", 10)]:
        assert workspace.signalbook.ok(*query, "--store", store, cwd=tmp_path).json == [{"n": count}]
        environment = {"SIGNALBOOK_STORE": str(store)}
        assert workspace.signalbook.ok(*query, cwd=tmp_path, env=environment).json == [{"n": count}]
    overruled = {"SIGNALBOOK_STORE": str(workspace.store)}
    assert workspace.signalbook.ok(*query, "--store", workspace.run, cwd=tmp_path, env=overruled).json == [{"n": 10}]


def test_no_store_here(tmp_path, signalbook):
    for options in ([], ["--store", "nothing"], ["--store", "/"]):
        outcome = signalbook("list", *options, cwd=tmp_path)
        assert outcome.code == 1 and "--store" in outcome.err or "nothing" in outcome.err, outcome


def test_several_stores_below(tmp_path, signalbook):
    """`results` goes first; without it, nobody guesses."""
    for name in ("a", "b"):
        signalbook.ok("demo", "--months", "2", "--store", name)
    outcome = signalbook("list", cwd=tmp_path)
    assert outcome.code == 1 and "a, b" in outcome.err
    (tmp_path / "a").rename(tmp_path / "results")
    assert signalbook.ok("list", "--limit", "1", cwd=tmp_path).code == 0


def test_sql_from_standard_input(workspace):
    outcome = workspace.signalbook.ok(
        "sql", "-", "--format", "csv", stdin="SELECT 1 AS a,\n 'x' AS b", cwd=workspace.run
    )
    assert outcome.out == "a,b\n1,x\n"


def test_sql_reads_only_and_only_here(workspace, tmp_path):
    outside = tmp_path / "outside.parquet"
    pq.write_table(pa.table({"secret": [1]}), outside)
    before = read_tree(workspace.store)
    for query in (f"SELECT * FROM read_parquet('{outside}')", f"SELECT * FROM '{outside}'",
                  "SELECT * FROM read_text('/etc/passwd')", f"COPY strategies TO '{tmp_path}/x.csv'",
                  "COPY strategies TO 'x.csv'", "DROP VIEW strategies", "CREATE TABLE t AS SELECT 1",
                  "INSTALL httpfs", "SET enable_external_access = true", f"ATTACH '{tmp_path}/x.db'",
                  f"EXPLAIN ANALYZE COPY strategies TO '{tmp_path}/x.csv'", "PRAGMA database_list",
                  "SELECT 1; DROP VIEW strategies", "EXPORT DATABASE 'x'"):  # fmt: skip
        outcome = workspace.signalbook("sql", query, cwd=workspace.store)
        assert outcome.code == 2 and not outcome.raw, (query, outcome)
    assert read_tree(workspace.store) == before
    assert {p.name for p in tmp_path.iterdir()} == {"outside.parquet"}


# --- Output ---

ODD = """SELECT * FROM (VALUES
  (1, 0.1, 'plain', true, TIMESTAMPTZ '2024-01-02 03:04:05.000006+00', 9007199254740993, 'x'),
  (2, NULL, 'a,"b" | c' || chr(10) || 'd', NULL, NULL, NULL, ''),
  (3, 1e-7, 'é 📈 <b>*_`', false, TIMESTAMPTZ '1970-01-01 00:00:00+00', -1, NULL)) AS t(i, r, t, b, ts, big, e)"""
ODD_TEXTS = ["plain", 'a,"b" | c\nd', "é 📈 <b>*_`"]


def test_json_output(workspace):
    rows = workspace.signalbook.query(ODD, cwd=workspace.run)
    assert [r["t"] for r in rows] == ODD_TEXTS and [r["r"] for r in rows] == [0.1, None, 1e-7]
    assert [r["b"] for r in rows] == [True, None, False] and [r["big"] for r in rows] == [2**53 + 1, None, -1]
    assert [r["e"] for r in rows] == ["x", "", None]
    assert [r["ts"] for r in rows] == ["2024-01-02T03:04:05.000006Z", None, "1970-01-01T00:00:00Z"]
    assert workspace.signalbook.query("SELECT 1 AS a WHERE false", cwd=workspace.run) == []
    (row,) = workspace.signalbook.query("SELECT 'nan'::DOUBLE AS a, [1, NULL] AS b, {'x': 'y'} AS c", cwd=workspace.run)
    assert row == {"a": None, "b": [1, None], "c": {"x": "y"}}


def test_csv_output(workspace):
    outcome = workspace.signalbook.ok("sql", ODD, "--format", "csv", cwd=workspace.run)
    table = pa.csv.read_csv(
        io.BytesIO(outcome.raw), parse_options=pa.csv.ParseOptions(newlines_in_values=True)
    ).to_pydict()
    assert table["t"] == ODD_TEXTS and table["r"] == [0.1, None, 1e-7] and table["i"] == [1, 2, 3]
    assert table["big"] == [2**53 + 1, None, -1] and table["b"] == [True, None, False]
    listed = workspace.signalbook.ok("list", "--format", "csv", cwd=workspace.run)
    assert sorted(row["strategy_id"] for row in parse_csv(listed.out)) == sorted(workspace.rows)
    assert (
        workspace.signalbook.ok("sql", "SELECT 1 AS a WHERE false", "--format", "csv", cwd=workspace.run).out == "a\n"
    )


def test_parquet_output(workspace):
    outcome = workspace.signalbook.ok("sql", ODD, "--format", "parquet", cwd=workspace.run)
    table = pq.read_table(io.BytesIO(outcome.raw))
    assert table["t"].to_pylist() == ODD_TEXTS and table["r"].to_pylist() == [0.1, None, 1e-7]
    assert table["big"].to_pylist() == [2**53 + 1, None, -1] and table["e"].to_pylist() == ["x", "", None]
    assert table["ts"].cast(pa.int64()).to_pylist()[2] == 0
    listed = workspace.signalbook.ok("list", "--format", "parquet", cwd=workspace.run)
    assert sorted(pq.read_table(io.BytesIO(listed.raw))["strategy_id"].to_pylist()) == sorted(workspace.rows)
    empty = workspace.signalbook.ok("sql", "SELECT 1 AS a WHERE false", "--format", "parquet", cwd=workspace.run)
    assert pq.read_table(io.BytesIO(empty.raw)).num_rows == 0


def test_markdown_output(workspace):
    lines = workspace.signalbook.ok("sql", ODD, "--format", "md", cwd=workspace.run).out.strip().splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 5 and set(table[1]) <= set("|-: ")
    assert all(line.replace("\\|", "").count("|") == 8 for line in table)  # seven cells in every row
    assert "📈" in table[4]


def test_table_output_is_plain_in_a_pipe(workspace):
    outcome = workspace.signalbook.ok("list", cwd=workspace.run)
    assert "\x1b" not in outcome.out and "(10 rows)" in outcome.out
    hostile = workspace.signalbook.ok("sql", "SELECT chr(27) || '[31m' || chr(10) AS a", cwd=workspace.run).out
    assert "\x1b" not in hostile and len(hostile.strip().splitlines()) == 4


@pytest.mark.parametrize("kind", ["table", "csv", "json", "md", "parquet"])
def test_a_reader_that_has_seen_enough(workspace, kind):
    """head, less: no signal, no message, and an end soon after."""
    command = ["sql", "SELECT range AS a, 'x' || range AS b FROM range(400000)", "--format", kind]
    with subprocess.Popen([workspace.signalbook.program, *command], cwd=workspace.run, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=workspace.signalbook.environment) as process:  # fmt: skip
        process.stdout.read(10)
        process.stdout.close()
        message = process.stderr.read()
        assert process.wait(timeout=30) == 0 and message == b"", (process.returncode, message)


@pytest.mark.parametrize("command", ["hash -", "list", "show strategy_0", "trace strategy_0", "sql SELECT(1)"])
def test_a_full_disk_under_the_output_is_an_error(workspace, command):
    with open("/dev/full", "wb") as full:
        program = workspace.signalbook
        done = subprocess.run([program.program, *command.split()], cwd=workspace.run, stdout=full, check=False,
                              input=PINNED.encode(), stderr=subprocess.PIPE, env=program.environment)  # fmt: skip
    assert done.returncode == 4 and done.stderr, done


COMMANDS = ["hash -", "list", "show strategy_0", "trace strategy_0", "trace strategy_0 --dense", "sql SELECT(1)", "verify",
            "catalog", "contains ../../config.json --bars ../../bars.csv --symbol SPY --timeframe 5m --missing", "--help",
            "list --help", "--version", "sql -", "demo --store ../../new --months 2"]  # fmt: skip


def in_a_shell(workspace, command, redirection):
    """With descriptors that the shell has closed or sent elsewhere."""
    program = workspace.signalbook
    return subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirection}', program.program, *command.split()],
                          cwd=workspace.run, input=b"SELECT 1" if "sql" in command else PINNED.encode(), check=False,
                          capture_output=True, timeout=60, env=program.environment)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written(workspace, command, where):
    (workspace.folder / "config.json").write_text(PINNED)
    (workspace.folder / "bars.csv").write_text("timestamp,open,high,low,close\n2024-03-26,1,1,1,1\n")
    done = in_a_shell(workspace, command, where)
    shutil.rmtree(workspace.folder / "new", ignore_errors=True)
    assert done.returncode == 4 and b"cannot write" in done.stderr, done


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_messages_that_cannot_be_written(workspace, where):
    """The status has to be enough; no signal."""
    for command, status in [("list --store nosuch", 1), ("show nobody", 1), ("list --format x", 2), ("list", 0)]:
        assert in_a_shell(workspace, command, where).returncode == status, command


@pytest.mark.parametrize("command", ["hash --lines -", "sql -"])
def test_no_standard_input(workspace, command):
    done = in_a_shell(workspace, command, "<&-")
    assert done.returncode == 4 and b"cannot read standard input" in done.stderr, done


@pytest.mark.parametrize("where", ["<&-", "<&- >&-", "<&- >&- 2>&-", ">&-", "2>&-"])
def test_recording_with_closed_descriptors(tmp_path, signalbook, where):
    """No file of the run gets the number of a standard one, with its messages or its signals."""
    workspace = Workspace(tmp_path, signalbook)
    workspace.run = tmp_path
    signals = wide_table(make_signals(200, 1))
    for name, content in [("bars.parquet", workspace.bars), ("s.json", make_strategies(1)), ("signals.csv", signals)]:
        workspace.write(name, content)
    command = (
        "record --run results/run_1 --bars bars.parquet --symbol SPY --timeframe 5m --strategies s.json --signals "
    )
    done = in_a_shell(workspace, command + "-", where)
    if "<&-" in where:
        assert done.returncode == 4 and (b"standard input" in done.stderr or "2>" in where), done
    done = in_a_shell(workspace, command.replace("run_1", "run_2") + "signals.csv", where)
    assert done.returncode == (4 if ">&-" in where.split() else 0), done
    assert signalbook.ok("verify", "results/run_2").code == 0


# --- demo, help ---


def test_demo(tmp_path, signalbook):
    """A store of some hundred strategies that every command can be tried on; the same one each time."""
    signalbook.ok("demo", "--store", "here")
    counts = "count(*) AS n, count(DISTINCT strategy_type) AS types, count(DISTINCT run_id) AS runs"
    (row,) = signalbook.query(f"SELECT {counts} FROM strategies", cwd=tmp_path)
    assert row["n"] >= 300 and row["types"] >= 6 and row["runs"] >= 2
    before = read_tree(tmp_path / "here")
    again = signalbook("demo", "--store", "here")
    assert again.code == 2 and "here" in again.err
    assert read_tree(tmp_path / "here") == before
    signalbook.ok("demo", "--store", "there")
    assert read_tree(tmp_path / "there") == before
    signalbook.ok("demo", "--store", "other", "--seed", "7", "--quiet")
    assert read_tree(tmp_path / "other").keys() != before.keys()


def test_help_and_version(signalbook):
    text = signalbook.ok("--help").out
    for command in ("hash", "record", "demo", "list", "show", "trace", "sql"):
        assert command in text and signalbook.ok(command, "--help").out
    assert "signalbook" in signalbook.ok("--version").out
