"""The merged catalogue of a store, through the program: what it says, and that no answer depends on it.

What it does with runs that come, go and break in any order is told by tests/catalog_test.cpp.
"""

import hashlib
import json
import shutil
import subprocess

import duckdb
import pytest
from conftest import ROOT, make_signals, parse_csv, wide_table

COLLIDING = next(
    pair
    for pair in json.loads((ROOT / "tests" / "golden" / "collisions" / "collisions.json").read_text())["pairs"]
    if pair["common_digits"] >= 12
)
RUNS = 24  # more than are read as they are


def moving_average(period):
    return {"ma": {"period": period}}


@pytest.fixture
def many_runs(workspace):
    """Every run has one strategy of its own, one of all, and one of every second; the code changes halfway."""
    for i in range(RUNS):
        strategies = [moving_average(100 + i), moving_average(7), moving_average(8 + i % 2)]
        workspace.record(
            "--code-version",
            "old" if i < RUNS // 2 else "new",
            run=f"run_{i:02}",
            strategies=strategies,
            signals=wide_table(make_signals(200, 3, seed=i % 3)),
        )
    return workspace


def facts(outcome):
    found = {}
    for row in parse_csv(outcome.out):
        found.setdefault(row["fact"], []).append(row["value"])
    return found


def rows(signalbook, sql, store, **options):
    return parse_csv(signalbook.ok("sql", sql, "--store", store, "--format", "csv", **options).out)


def test_a_question_makes_it_and_keeps_it_up_to_date(many_runs):
    ask, store = many_runs.signalbook, many_runs.store
    counts = "SELECT count(*) AS n, count(DISTINCT run_id) AS runs FROM strategies"
    assert rows(ask, counts, store) == [{"n": str(3 * RUNS), "runs": str(RUNS)}]
    assert (store / ".signalbook" / "catalog" / "manifest.json").is_file()
    said = facts(ask.ok("catalog", "--store", store, "--format", "csv"))
    assert (said["runs"], said["rows"], said["runs not in it yet"]) == (["24"], ["72"], ["0"])

    shutil.rmtree(store / "run_03")
    (store / "run_04").rename(store / "renamed")
    assert rows(ask, counts, store) == [{"n": str(3 * RUNS - 3), "runs": str(RUNS - 1)}]
    assert rows(ask, "SELECT DISTINCT run_id FROM strategies WHERE run_id NOT LIKE 'run%'", store) == [
        {"run_id": "renamed"}
    ]
    # From the folder above and from below, as well.
    above = ask.ok("sql", counts, "--format", "csv", cwd=store.parent).out
    assert parse_csv(above) == [{"n": str(3 * RUNS - 3), "runs": str(RUNS - 1)}]
    assert "renamed" in ask.ok("list", "--param", "period=104", "--store", store).out


def test_the_history_counts_what_stock_duckdb_counts(many_runs):
    found = rows(
        many_runs.signalbook,
        "SELECT strategy_hash, runs, traces, array_to_string(run_ids, ' ') AS run_ids, array_to_string(code_versions, ' ') "
        "AS versions, len(data_ids) AS data_ids, first_seen <= last_seen AS in_order FROM hash_history ORDER BY 1",
        many_runs.store,
    )
    stock = duckdb.sql(
        "SELECT strategy_hash, count(DISTINCT run), count(*), string_agg(DISTINCT run, ' ' ORDER BY run) FROM "
        "(SELECT strategy_hash, parse_path(filename)[-2] AS run FROM "
        f"read_parquet('{many_runs.store}/*/strategy_index.parquet', filename = true, union_by_name = true)) "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert [(r["strategy_hash"], int(r["runs"]), int(r["traces"]), r["run_ids"]) for r in found] == stock
    assert {r["versions"] for r in found} == {"old", "new", "new old"}
    assert {r["data_ids"] for r in found} == {"1"} and {r["in_order"] for r in found} == {"true"}


def test_names_what_is_not_deterministic(many_runs):
    """Period 7 stands in every run, with signals of three seeds, on the same bars and twice with the same code."""
    said = facts(many_runs.signalbook.ok("catalog", "--store", many_runs.store, "--format", "csv"))
    lines = said["other trace from equal input"]
    # Twelve runs a code: of each seed (the number modulo 3) four, or two where every second run has the strategy.
    for start in (0, RUNS // 2):
        by_seed = [[f"run_{i:02}" for i in range(start + seed, start + RUNS // 2, 3)] for seed in range(3)]
        expected = " | ".join(", ".join(runs[:3]) + " and 1 more" for runs in by_seed)
        assert any(line.endswith(f" ma SPY 5m: {expected}") for line in lines), (expected, lines)
    assert len(lines) == 6
    conflicts = rows(many_runs.signalbook, "SELECT sum(trace_conflicts) AS n FROM hash_history", many_runs.store)
    # One a code version, for the strategies of all runs and for each of the two of every second.
    assert conflicts == [{"n": "6"}]


# No code_version is one code_version like any other, for the one as for the other.
@pytest.mark.parametrize("code", [[], ["--code-version", "v3"]])
def test_names_the_run_that_says_another_thing(workspace, code):
    signals = {seed: wide_table(make_signals(200, 1, seed=seed)) for seed in range(5)}
    for run, options, seed in [
        ("a", ["--code-version", "v1"], 1),
        ("b", ["--code-version", "v2"], 2),
        *((run, code, 1) for run in "cdefgh"),
        ("z", code, 3),
    ]:
        workspace.record(*options, run=run, strategies=[{"rsi": {"period": 14}}], signals=signals[seed])
    ask, store = workspace.signalbook, workspace.store
    [line] = facts(ask.ok("catalog", "--store", store, "--format", "csv"))["other trace from equal input"]
    assert line.split(" ", 1)[1] == "rsi SPY 5m: z | c, d, e and 3 more"
    checked = ask("verify", "--store", store)
    assert checked.code == 1
    [line] = checked.out.splitlines()
    assert "2 different traces (z | c, d, e and 3 more): the code is not deterministic" in line
    assert ("no code_version" in line) == (not code)
    # Runs that differ are all named, however many they are.
    for run, seed in [("y", 3), ("x", 3), ("w", 3), ("v", 4)]:
        workspace.record(*code, run=run, strategies=[{"rsi": {"period": 14}}], signals=signals[seed])
    assert "3 different traces (v | w, x, y, z | c, d, e and 3 more)" in ask("verify", "--store", store).out
    [line] = facts(ask.ok("catalog", "--store", store, "--format", "csv"))["other trace from equal input"]
    assert line.endswith(": v | w, x, y and 1 more | c, d, e and 3 more")


def test_many_conflicts_are_cut_and_counted(workspace):
    strategies = [{"rsi": {"period": period}} for period in range(25)]
    for run in range(10):
        signals = wide_table(make_signals(200, 25, seed=run))
        workspace.record(run=f"run_{run}", strategies=strategies, signals=signals)
    lines = facts(workspace.signalbook.ok("catalog", "--store", workspace.store, "--format", "csv"))
    lines = lines["other trace from equal input"]
    assert len(lines) == 21 and lines[-1] == "and 5 more"
    assert lines[0].endswith("run_6 | run_7 | and 2 more traces")


def test_reports_two_strategies_with_one_hash(many_runs):
    for run, period in zip(("first", "second"), COLLIDING["periods"]):
        many_runs.record(
            run=run, strategies=[{"collide": {"period": period}}], signals=wide_table(make_signals(200, 1))
        )
    said = facts(many_runs.signalbook.ok("catalog", "--refresh", "--store", many_runs.store, "--format", "csv"))
    [line] = said["one hash, several strategies"]
    assert all(digest[:20] in line for digest in COLLIDING["digests"])
    merged = rows(
        many_runs.signalbook,
        f"SELECT runs FROM hash_history WHERE strategy_hash = '{COLLIDING['digests'][0][:12]}'",
        many_runs.store,
    )
    assert merged == [{"runs": "1"}, {"runs": "1"}], "two strategies, never one"


@pytest.mark.parametrize("run_count", [3, RUNS], ids=["read as they are", "catalogue"])
def test_a_damaged_run_is_left_out_and_named(many_runs, run_count):
    for i in range(run_count, RUNS):
        shutil.rmtree(many_runs.store / f"run_{i:02}")
    index = many_runs.store / "run_01" / "strategy_index.parquet"
    whole = index.read_bytes()
    for damage in (whole[: len(whole) // 2], whole[:-200] + b"x" + whole[-199:], b"", b"PAR1" * 50):
        index.write_bytes(damage)
        for command in (["sql", "SELECT * FROM strategies"], ["list"], ["show", "strategy_0"]):
            outcome = many_runs.signalbook(*command, "--store", many_runs.store, "--format", "csv")
            assert outcome.code == 0 and "run_01 is left out: " in outcome.err, (command, outcome.err)
            assert "run_01," not in outcome.out and "run_00" in outcome.out
        alone = many_runs.signalbook("sql", "SELECT * FROM strategies", "--store", many_runs.store / "run_01")
        assert alone.code == 3 and "run_01" in alone.err
    index.write_bytes(whole)
    outcome = many_runs.signalbook.ok("list", "--store", many_runs.store, "--format", "csv")
    assert "left out" not in outcome.err and "run_01," in outcome.out


def test_answers_do_not_need_it(many_runs):
    ask, store = many_runs.signalbook, many_runs.store
    everything = "SELECT * FROM strategies ORDER BY run_id, trace_id"
    with_it = ask.ok("sql", everything, "--store", store, "--format", "json").out
    again = ask.ok("sql", everything, "--store", store, "--format", "json").out
    shutil.rmtree(store / ".signalbook" / "catalog")
    (store / ".signalbook" / "catalog").write_text("in the way")
    without = ask.ok("sql", everything, "--store", store, "--format", "json").out
    assert json.loads(with_it) == json.loads(again) == json.loads(without)
    refused = ask("catalog", "--refresh", "--store", store)
    assert refused.code != 0 and "catalog" in refused.err


@pytest.mark.parametrize("name", ["strategies-*.parquet", "components-*.parquet", "history-*.parquet", "manifest.json"])
def test_verify_reads_it_through(many_runs, name):
    ask, store = many_runs.signalbook, many_runs.store
    ask.ok("catalog", "--refresh", "--store", store)
    assert "catalogue:" not in ask("verify", store).out
    [file] = (store / ".signalbook" / "catalog").glob(name)
    whole = file.read_bytes()
    file.write_bytes(whole[:40] + bytes([whole[40] ^ 4]) + whole[41:])
    found = ask("verify", store)
    assert found.code == 1 and f"catalogue: {file.name} is not what was written" in found.out, found
    assert rows(ask, "SELECT count(*) AS n FROM strategies", store) == [{"n": str(3 * RUNS)}]
    ask.ok("catalog", "--rebuild", "--store", store)
    assert "catalogue:" not in ask("verify", store).out


def test_many_at_once(many_runs):
    """Runs are recorded, removed and asked for by several processes at the same time."""
    ask, store = many_runs.signalbook, many_runs.store
    ask.ok("catalog", "--refresh", "--store", store)
    questions = [
        subprocess.Popen(
            [
                ask.program,
                "sql",
                "SELECT count(*) AS n FROM strategies WHERE period = 7",
                "--store",
                store,
                "--format",
                "csv",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if i % 4
        else subprocess.Popen(
            [ask.program, "catalog", "--rebuild", "--store", store],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(12)
    ]
    for i in range(4):
        many_runs.record(run=f"more_{i}", strategies=[moving_average(5000)], signals=wide_table(make_signals(200, 1)))
        shutil.rmtree(store / f"more_{i}")
    for i, question in enumerate(questions):
        out, err = question.communicate(timeout=120)
        # Who reads a run's own file in the moment of its removal is told which; nobody gets another answer.
        assert question.returncode == 0 or "more_" in err, err
        if i % 4 and question.returncode == 0:
            assert out == f"n\n{RUNS}\n"


@pytest.fixture
def many_packed_runs(workspace):
    """Packed, but for every third."""
    workspace.layouts = {"": "packed"} | {f"run_{i:02}": "files" for i in range(0, RUNS, 3)}
    for i in range(RUNS):
        strategies = [moving_average(100 + i), moving_average(7)]
        workspace.record(run=f"run_{i:02}", strategies=strategies, signals=wide_table(make_signals(200, 2, seed=i % 3)))
    return workspace


def test_packs_are_found_by_it(many_packed_runs):
    ask, store = many_packed_runs.signalbook, many_packed_runs.store
    (told,) = rows(ask, "SELECT sum(change_count) AS n, count(pack) AS packed FROM strategies", store)
    assert told["packed"] == str(2 * 16)
    for source in ("traces", "'traces/signals/*/*.parquet'", "strategies s, read_parquet(s.trace_path) t"):
        assert rows(ask, f"SELECT count(px) AS n FROM {source}", store) == [{"n": told["n"]}]


def test_one_of_an_earlier_version_is_made_anew(many_packed_runs):
    """It did not know of packs."""
    ask, store = many_packed_runs.signalbook, many_packed_runs.store
    everything = "SELECT run_id, strategy_id, pack, row_start, row_count FROM strategies ORDER BY ALL"
    expected = rows(ask, everything, store)
    manifest = store / ".signalbook" / "catalog" / "manifest.json"
    description = json.loads(manifest.read_text(encoding="utf-8"))
    (segment,) = description["segments"]
    duckdb.sql(f"SET TimeZone = 'UTC'; CREATE OR REPLACE TABLE s AS SELECT * EXCLUDE (pack, row_start, row_count) FROM "
               f"'{manifest.parent / segment['strategies']['name']}'")  # fmt: skip
    old = manifest.parent / segment["strategies"]["name"]
    duckdb.sql(f"COPY s TO '{old}' (FORMAT parquet)")
    segment["strategies"]["size"] = old.stat().st_size
    segment["strategies"]["sha256"] = hashlib.sha256(old.read_bytes()).hexdigest()
    taken = ("pack", "row_start", "row_count")
    segment["strategies"]["columns"] = [c for c in segment["strategies"]["columns"] if c[0] not in taken]
    manifest.write_text(json.dumps(description | {"format_version": 1}), encoding="utf-8")
    assert rows(ask, everything, store) == expected
    assert json.loads(manifest.read_text(encoding="utf-8"))["format_version"] == 2
