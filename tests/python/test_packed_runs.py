"""Whether traces lie in files or packs is nobody's business who asks: the same questions of one run in every layout,
against what pyarrow reads of the files; and what is missing is said."""

import shutil

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conftest import STORE_LAYOUTS, Signalbook, Workspace, make_signals, record_sql_store, wide_table

COLUMNS = ["idx", "ts", "sym", "val", "strat", "px", "strategy_hash", "metadata"]


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
    """The same store in every layout, by the layout."""
    found = {}
    for name, layouts in STORE_LAYOUTS.items():
        folder = tmp_path_factory.mktemp(name)
        found[name] = record_sql_store(folder, layouts)
    return found


def rows_of_files(store, files):
    """The changes in these files of a store of files, as the queries below give them."""
    rows = []
    for file in files:
        table = pq.read_table(file, partitioning=None)
        table = table.set_column(1, "ts", pc.strftime(table["ts"].cast(pa.timestamp("s", "UTC")), "%Y-%m-%dT%H:%M:%SZ"))
        if table["val"].type == pa.string():
            continue
        rows += [tuple(row[name] for name in COLUMNS) for row in table.to_pylist()]
    return sorted(rows, key=str)


def ask(signalbook, store, sql, cwd=None):
    rows = signalbook.query(sql, cwd=cwd or store)
    return sorted((tuple(row.values()) for row in rows), key=str)


def as_text(columns):
    return ", ".join("strftime(ts, '%Y-%m-%dT%H:%M:%SZ') AS ts" if c == "ts" else c for c in columns)


@pytest.mark.parametrize("layout", STORE_LAYOUTS)
def test_the_view_has_the_rows_of_the_files(layout, stores, signalbook):
    files = sorted(stores["files"].glob("*/traces/*/signals/*/*.parquet"))
    assert len(files) == 9
    found = ask(signalbook, stores[layout], f"SELECT {as_text(COLUMNS)} FROM traces WHERE label IS NULL")
    assert found == rows_of_files(stores["files"], files)
    labels = ask(signalbook, stores[layout], "SELECT run_id, idx, val, label, sym, strat, px IS NULL, metadata IS NULL "
                 "FROM traces WHERE label IS NOT NULL")  # fmt: skip
    assert [row[1:4] for row in labels] == [(0, None, "calm"), (12, None, "wild"), (32, None, "calm")]
    assert {(row[0], *row[4:7]) for row in labels} == {("regimes", "SPY", "strategy_0", False)}
    assert [row[7] for row in labels] == [False, True, True]


# How a path may name traces in a store, and what it names of files.
PATTERNS = [
    "traces/signals/*/*.parquet",
    "traces/SPY_5m/signals/*/*.parquet",
    "traces/QQQ_5m/signals/*/*.parquet",
    "traces/SPY_5m/signals/bollinger_bands/*.parquet",
    "traces/*/signals/*_b?nds/*.parquet",
    "traces/*/signals/**/*.parquet",
    "run_*/**/signals/*/*_ma_*.parquet",
    "traces/*/signals/[a-l]*/*_39a6426ec117.parquet",
    "run_1/traces/*/signals/*/*.parquet",
    "run_[2-9]/traces/*/signals/*/*.parquet",
    "results/*/traces/SPY_5m/signals/*/*_[0-9]*.parquet",
]


@pytest.mark.parametrize("layout", STORE_LAYOUTS)
def test_a_pattern_names_the_traces_whose_paths_match(layout, stores, signalbook):
    total = 0
    for pattern in PATTERNS:
        path = pattern.removeprefix("results/")
        in_store = path if path.startswith(("run_", "*")) else f"*/{path}"
        in_store = in_store.replace("/traces/signals/", "/traces/*/signals/")
        files = sorted(stores["files"].glob(in_store))
        expected = rows_of_files(stores["files"], files)
        assert expected, pattern
        total += len(files)
        for source in [f"read_parquet('{pattern}', union_by_name = true)", f"'{pattern}'"]:
            found = ask(signalbook, stores[layout], f"SELECT {as_text(COLUMNS)} FROM {source}")
            assert found == expected, (pattern, source)
        names = ask(
            signalbook, stores[layout], f"SELECT DISTINCT filename FROM read_parquet('{pattern}', filename = true)"
        )
        assert names == [(str(stores[layout] / f.relative_to(stores["files"])),) for f in files], pattern
    assert total > 30


@pytest.mark.parametrize("layout", STORE_LAYOUTS)
def test_one_path_is_one_trace(layout, stores, signalbook):
    for file in sorted(stores["files"].glob("*/traces/*/signals/*/*.parquet")):
        run, path = file.relative_to(stores["files"]).parts[0], file.relative_to(stores["files"])
        expected = rows_of_files(stores["files"], [file])
        inside = file.relative_to(stores["files"] / run)
        for cwd, name in [(stores[layout], path), (stores[layout] / run, inside), (stores[layout].parent, f"results/{path}"),
                          (stores[layout].parent, stores[layout] / path)]:  # fmt: skip
            assert ask(signalbook, None, f"SELECT {as_text(COLUMNS)} FROM '{name}'", cwd=cwd) == expected, (cwd, name)
            lateral = f"SELECT {as_text(COLUMNS)} FROM (SELECT '{name}' AS p) s, read_parquet(s.p)"
            assert ask(signalbook, None, lateral, cwd=cwd) == expected, (cwd, name)


ORDER = "FROM (SELECT list(trace_path ORDER BY run_id, trace_path) AS paths FROM strategies) s, read_parquet(s.paths) t"
QUESTIONS = [
    "SELECT * EXCLUDE (trace_path, filename) FROM (SELECT trace_path FROM strategies) s, read_parquet(s.trace_path, filename = true) ORDER BY ALL",
    "SELECT s.run_id, t.idx, t.px FROM strategies s, read_parquet(s.trace_path) t WHERE t.idx % 2 = 0 ORDER BY ALL",
    "SELECT s.trace_path = t.filename AS same, count(*) AS n FROM strategies s, read_parquet(s.trace_path, filename = true) t GROUP BY ALL",
    f"SELECT list(coalesce(t.strat || t.idx, '')) AS in_order {ORDER}",
    "SELECT run_id, strategy_id, (SELECT round(sum(px), 4) FROM read_parquet(s.trace_path)) AS total FROM strategies s ORDER BY ALL",
    "SELECT count(*) AS n FROM traces",
    "SELECT run_id, count(*) AS n, sum(val) AS total FROM traces WHERE strategy_hash = '39a6426ec117' GROUP BY ALL ORDER BY ALL",
    "SELECT t.run_id, s.period, round(sum(t.px), 4) AS total FROM traces t JOIN strategies s ON t.run_id = s.run_id AND t.strat = s.strategy_id AND t.sym = s.symbol GROUP BY ALL ORDER BY ALL",
    "SELECT run_id, sym, strat, list(idx) AS in_order FROM traces GROUP BY ALL ORDER BY ALL",
    "SELECT max(ts) AS last, min(ts) AS first FROM traces WHERE ts > TIMESTAMPTZ '2024-01-02 15:00:00+00' AND run_id <> 'run_2'",
    "SELECT * FROM traces WHERE px > 400 AND idx BETWEEN 3 AND 20 AND strat = 'strategy_1' ORDER BY ALL",
    "SELECT count(*) AS n, round(sum(return), 9) AS total FROM trades",
    "SELECT * FROM trades_at(5) ORDER BY run_id, trace_path, trade LIMIT 20",
    "SELECT * EXCLUDE (created_at, last_seen, first_seen) FROM hash_history ORDER BY ALL",
    "SELECT * FROM components ORDER BY ALL",
    "SELECT * FROM bars ORDER BY ALL",
    "SELECT * FROM metrics ORDER BY ALL",
    "SELECT * EXCLUDE (file_size, file_sha256, pack, row_start, row_count) FROM strategies ORDER BY ALL",
    "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM strategies) ORDER BY ALL",
    "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM traces)",
    "SELECT * EXCLUDE (layout) FROM runs ORDER BY ALL",
]


@pytest.mark.parametrize("layout", [name for name in STORE_LAYOUTS if name != "files"])
def test_questions_have_one_answer(layout, stores, signalbook):
    for question in QUESTIONS:
        sql = question.replace("EXCLUDE (created_at, ", "EXCLUDE (")
        for cwd in [".", "run_1", "run_2"]:
            ours, theirs = (
                signalbook("sql", sql, "--format", "json", cwd=stores[name] / cwd) for name in (layout, "files")
            )
            assert theirs.code == 0 and theirs.out.count("{") >= 1 or "components" in sql or "metrics" in sql, (
                sql,
                theirs,
            )
            assert (ours.code, ours.out) == (theirs.code, theirs.out), (sql, cwd)


COMMANDS = [
    ["list"],
    ["list", "--type", "bollinger_bands", "--format", "json"],
    ["show", "39a6426ec117"],
    ["trace", "39a6426ec117", "--store", "results/run_1"],
    ["trace", "strategy_2", "--store", "results/run_1", "--dense", "--format", "csv"],
    ["trace", "strategy_1", "--store", "results/run_1", "--trades"],
    ["trace", "strategy_0", "--store", "results/regimes"],
    ["diff", "results/run_1", "results/run_2"],
    ["diff", "39a6426ec117", "54262a022e65"],
    ["hash", "39a6426ec117"],
    ["runs"],
]


@pytest.mark.parametrize("layout", [name for name in STORE_LAYOUTS if name != "files"])
def test_commands_have_one_answer(layout, stores, signalbook):
    answered = 0
    for command in COMMANDS:
        ours, theirs = (signalbook(*command, cwd=stores[name].parent) for name in (layout, "files"))
        told = ours.out.replace(str(stores[layout].parent), str(stores["files"].parent))
        if command == ["runs"]:
            continue
        assert (ours.code, told) == (theirs.code, theirs.out), (command, ours.err)
        answered += theirs.code == 0
    assert answered >= len(COMMANDS) - 4


def test_an_analysis_of_packs_is_that_of_files(tmp_path, signalbook):
    for layout in ("files", "packed", "full"):
        folder = tmp_path / layout
        folder.mkdir()
        store = record_sql_store(folder, {"": layout})
        for run in ("run_1", "run_2"):
            signalbook.ok("analyze", "--quiet", cwd=store / run)
    for question in ["SELECT * EXCLUDE (file_size, file_sha256, pack, row_start, row_count) FROM strategies ORDER BY ALL",
                     "SELECT * FROM metrics ORDER BY ALL"]:  # fmt: skip
        files, *others = (signalbook.query(question, cwd=tmp_path / x / "results") for x in ("files", "packed", "full"))
        assert files and all(other == files for other in others)
        assert any(row["sharpe_ratio"] is not None for row in files)


# --- What is missing or another is said ---


@pytest.fixture
def packed(tmp_path):
    workspace = Workspace(tmp_path, Signalbook(tmp_path))
    workspace.layouts = {"": "packed"}
    strategies = [{"rsi": {"period": period}} for period in range(5, 25)]
    workspace.record(strategies=strategies, signals=wide_table(make_signals(200, 20)))
    return workspace


def pack_of(workspace):
    (pack,) = workspace.store.glob("run_1/traces/SPY_5m/signals-*.parquet")
    return pack


QUERIES_OF_ROWS = [
    "SELECT count(*) FROM traces",
    "SELECT sum(px) FROM traces",
    "SELECT count(*) FROM 'traces/signals/*/*.parquet'",
    "SELECT count(t.val) FROM strategies s, read_parquet(s.trace_path) t",
    "SELECT count(*) FROM trades",
]


def test_a_pack_that_is_missing_is_an_error(packed):
    pack_of(packed).unlink()
    for sql in QUERIES_OF_ROWS:
        outcome = packed.signalbook("sql", sql, cwd=packed.store)
        assert outcome.code == 3 and "signals-00000.parquet" in outcome.err and "missing" in outcome.err, (sql, outcome)
    assert packed.signalbook.query("SELECT count(*) AS n FROM strategies", cwd=packed.store) == [{"n": 20}]


@pytest.mark.parametrize("lost", ["nothing else", "run.json", "strategy_index.parquet"])
def test_an_index_without_the_traces_of_a_missing_pack_says_so(lost, tmp_path):
    store = record_sql_store(tmp_path, STORE_LAYOUTS["packed"])
    signalbook = Signalbook(tmp_path)
    pack = store / "run_2" / "traces" / "QQQ_5m" / "signals-00000.parquet"
    content = pack.read_bytes()
    pack.unlink()
    if lost != "nothing else":
        (store / "run_2" / lost).unlink()
    outcome = signalbook("index", "rebuild", "results/run_2")
    assert outcome.code == 3 and "traces/QQQ_5m/signals-00000.parquet: missing" in outcome.out, outcome
    assert "of damage; what is missing is left out" in outcome.err
    signalbook.ok("verify", "--deep", "results/run_2")
    pack.write_bytes(content)
    signalbook.ok("index", "rebuild", "results/run_2")


def test_a_pack_of_another_size_is_an_error(packed):
    pack = pack_of(packed)
    pack.write_bytes(pack.read_bytes() + b" ")
    for sql in QUERIES_OF_ROWS:
        outcome = packed.signalbook("sql", sql, cwd=packed.store)
        assert outcome.code == 3 and "signals-00000.parquet" in outcome.err, (sql, outcome)


def test_bars_that_are_missing_are_an_error_where_they_are_asked_for(packed):
    (bars,) = packed.store.glob("bars/*.parquet")
    bars.unlink()
    for column in ("ts", "px"):
        for source in ("traces", "'traces/signals/*/*.parquet'", "strategies s, read_parquet(s.trace_path) t"):
            for sql in [f"SELECT max({column}) FROM {source}", f"SELECT count(*) FROM {source} WHERE {column} IS NULL"]:
                outcome = packed.signalbook("sql", sql, cwd=packed.store)
                assert outcome.code == 3 and bars.name in outcome.err and "missing" in outcome.err, (sql, outcome)
    (row,) = packed.signalbook.query(
        "SELECT count(*) AS n, sum(val) AS v, max(strat) AS s FROM traces", cwd=packed.store
    )
    assert row["n"] > 100 and row["s"] == "strategy_9"


def test_packs_of_another_run_are_an_error(packed):
    """Of the same size, number of traces and of rows: the rows say whose they are."""
    other = Workspace(packed.folder / "other", packed.signalbook)
    other.folder.mkdir()
    other.layouts = packed.layouts
    strategies = [{"rsi": {"period": period}} for period in range(105, 125)]
    other.record(strategies=strategies, signals=wide_table(make_signals(200, 20)))
    theirs, ours = pack_of(other), pack_of(packed)
    size = ours.stat().st_size
    shutil.copyfile(theirs, ours)
    description = packed.store / "run_1" / "run.json"
    text = description.read_text(encoding="utf-8")
    assert f'"size": {size},' in text
    outcome = packed.signalbook("sql", "SELECT max(strat) FROM traces", cwd=packed.store)
    assert outcome.code == 3, outcome
    assert "signals-00000.parquet" in outcome.err or "and the index another" in outcome.err


# --- Stock DuckDB ---


def test_stock_duckdb_joins_packs_with_index_and_bars(stores):
    """The query of docs/sql.md."""
    sql = """
        SELECT p.idx, strftime(b.ts, '%Y-%m-%dT%H:%M:%SZ') AS ts, i.symbol AS sym, p.val, i.strategy_id AS strat, coalesce(p.px, b.close) AS px,
               p.strategy_hash, p.metadata
        FROM 'run_1/traces/*/signals-*.parquet' p
        JOIN 'run_1/strategy_index.parquet' i USING (trace_id)
        JOIN 'bars/*.parquet' b ON b.data_id = i.data_id AND b.idx = p.idx"""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(
        sql.replace("'run_1", f"'{stores['packed']}/run_1").replace("'bars", f"'{stores['packed']}/bars")
    )
    rows = found.fetchall()
    files = sorted(stores["files"].glob("run_1/traces/*/signals/*/*.parquet"))
    assert sorted(rows, key=str) == rows_of_files(stores["files"], files) and len(rows) > 10


def test_the_packs_themselves_have_names(stores, signalbook):
    name = "run_1/traces/SPY_5m/signals-00000.parquet"
    (row,) = signalbook.query(f"SELECT count(*) AS n, max(trace_id) AS last FROM '{name}'", cwd=stores["packed"])
    (all_rows,) = signalbook.query("SELECT count(*) AS n FROM traces", cwd=stores["packed"] / "run_1")
    assert row == {"n": all_rows["n"], "last": 4}


def test_traces_keep_their_names_where_an_index_was_made_anew(tmp_path):
    """A trace without a change is lost with the index, and the numbers of the others then have gaps."""
    workspace = Workspace(tmp_path, Signalbook(tmp_path))
    workspace.layouts = {"": "packed"}
    strategies = [{"rsi": {"period": period}} for period in range(5, 11)]
    signals = wide_table(make_signals(200, 6)).drop_columns(["strategy_0", "strategy_2"])
    run = workspace.record(strategies=strategies, signals=signals)
    sql = "SELECT strat, strategy_hash, count(*) AS n, sum(px) AS px FROM traces GROUP BY ALL ORDER BY ALL"
    before = workspace.signalbook.query(sql, cwd=workspace.store)
    assert [row["strat"] for row in before] == ["strategy_1", "strategy_3", "strategy_4", "strategy_5"]
    (run / "strategy_index.parquet").unlink()
    workspace.signalbook.ok("recover", "results/run_1")
    assert pq.read_table(run / "strategy_index.parquet")["trace_id"].to_pylist() != list(range(4))
    assert workspace.signalbook.query(sql, cwd=workspace.store) == before
    assert workspace.signalbook.ok("verify", "--deep", "results").code == 0


def test_neighbours_do_not_answer_for_a_run_without_its_index(packed):
    run = packed.store / "run_1"
    shutil.copytree(run, packed.store / "run_2")
    (run / "strategy_index.parquet").unlink()
    before = {path: path.read_bytes() for path in packed.store.rglob("*") if path.is_file()}
    for command in (["sql", "SELECT count(*) FROM traces", "--store", run], ["list", "--store", run], ["analyze", run]):
        outcome = packed.signalbook(*command)
        assert outcome.code == 3 and "run_1 has no strategy_index.parquet" in outcome.err, (command, outcome)
        assert not outcome.raw
    assert {path: path.read_bytes() for path in packed.store.rglob("*") if path.is_file()} == before


def test_what_sees_files_alone_says_so(packed):
    for sql in ("SELECT count(*) FROM read_parquet('results/**/signals/*/*.parquet')",
                "SELECT count(*) FROM glob('results/run_1/traces/*/signals/*/*.parquet')"):  # fmt: skip
        outcome = packed.signalbook("sql", sql)
        assert outcome.code == 2 and "packs" in outcome.err, (sql, outcome)
