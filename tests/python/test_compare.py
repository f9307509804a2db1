"""`show` over runs, `diff` of strategies and of runs, `verify`: what is the same, what is not, and how it is said."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import make_bars, make_signals, parse_csv, wide_table

BARS = 200
CONFIGS = [{"rsi": {"period": 14}}, {"rsi": {"period": 20}}, {"bb": {"period": 20, "std": 2}}]
VALUES = make_signals(BARS, 3)


@pytest.fixture
def runs(workspace):
    """run_1 and again: the same. changed: one trace differs, one configuration gone, one new. other_bars: as it says."""

    def record(run, *options, configs=CONFIGS, values=VALUES, **content):
        return workspace.record(*options, run=run, strategies=configs, signals=wide_table(values), **content)

    record("run_1", "--code-version", "v1")
    record("again", "--code-version", "v1")
    record("other_bars", "--code-version", "v1", bars=make_bars(BARS, seed=9))
    changed = VALUES.copy()
    changed[-1, 0] = changed[-1, 0] + 1
    new = [*CONFIGS[:2], {"bb": {"period": 20, "std": 2.0}}]
    record("changed", "--code-version", "v1", configs=new, values=changed)
    return workspace


def hash_of(signalbook, config):
    return signalbook.ok("hash", "-", stdin=json.dumps(config)).out.strip()


# --- diff of runs ---


def test_equal_runs(runs):
    outcome = runs.signalbook.ok("diff", "run_1", "again", "--format", "json", cwd=runs.store)
    assert outcome.json == [] and "3 with the same trace" in outcome.err
    assert runs.signalbook.ok("diff", "run_1", "again", "--quiet", "--format", "csv", cwd=runs.store).err == ""
    rows = runs.signalbook.ok("diff", "run_1", "again", "--all", "--format", "json", cwd=runs.store).json
    assert [row["change"] for row in rows] == ["same"] * 3


def test_runs_that_differ(runs):
    ask = runs.signalbook
    hashes = [hash_of(ask, config) for config in CONFIGS]
    respelled = hash_of(ask, {"bb": {"period": 20, "std": 2.0}})
    outcome = ask("diff", "run_1", "changed", "--format", "json", cwd=runs.store)
    assert outcome.code == 1
    found = {(row["change"], row["strategy_hash"]): row for row in outcome.json}
    assert found.keys() == {("other_trace", hashes[0]), ("only_a", hashes[2]), ("only_b", respelled)}
    row = found["other_trace", hashes[0]]
    assert row["strategy_id_a"] == row["strategy_id_b"] == "strategy_0" and row["data_id_a"] == row["data_id_b"]
    assert row["trace_hash_a"] != row["trace_hash_b"] and row["changes_a"] + 1 >= row["changes_b"]
    assert found["only_a", hashes[2]]["strategy_id_b"] is None and found["only_b", respelled]["changes_a"] is None
    assert "1 only in run_1, 1 only in changed; in both 1 with the same trace, 1 with another trace" in outcome.err
    # Seen from the other side.
    mirror = ask("diff", "changed", "run_1", "--format", "json", cwd=runs.store).json
    swap = {"only_a": "only_b", "only_b": "only_a", "other_trace": "other_trace"}
    assert {(swap[row["change"]], row["strategy_hash"]) for row in mirror} == found.keys()


def test_runs_on_other_bars(runs):
    outcome = runs.signalbook("diff", "run_1", "other_bars", "--format", "json", cwd=runs.store)
    assert outcome.code == 1 and [row["change"] for row in outcome.json] == ["other_data"] * 3
    assert all(row["trace_hash_a"] == row["trace_hash_b"] for row in outcome.json)


def test_runs_by_path_and_in_other_stores(runs, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere).mkdir()
    (runs.store / "again").rename(elsewhere / "copy")  # without a store around it
    assert runs.signalbook.ok("diff", "results/run_1", "elsewhere/copy", cwd=tmp_path).code == 0
    assert runs.signalbook.ok("diff", "../results/run_1/", "copy", cwd=elsewhere).code == 0
    assert runs.signalbook("diff", runs.store / "changed", elsewhere / "copy", cwd="/").code == 1


def test_every_format_has_the_same_table(runs):
    def ask(form, *options):
        return runs.signalbook("diff", "run_1", "changed", "--format", form, *options, cwd=runs.store)

    rows = ask("json").json
    assert parse_csv(ask("csv").out) == [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    assert pq.read_table(pa.BufferReader(ask("parquet").raw)).to_pylist() == rows
    assert all(row["strategy_hash"] in ask("md").out and row["strategy_hash"] in ask("table").out for row in rows)
    limited = ask("json", "--limit", "1")
    assert len(limited.json) == 1 and "1 only in run_1, 1 only in changed" in limited.err


def test_many_strategies_against_a_plain_comparison(workspace):
    """More than one batch, in an order that is not that of the digests."""
    count = 5000
    configs = [{"x": {"p": i}} for i in range(count)]
    values = make_signals(20, count)
    bars = make_bars(20)
    keep_a = [i for i in range(count) if i % 7 != 0]
    keep_b = [i for i in range(count) if i % 5 != 0]
    other = values.copy()
    other[-1, ::3] += 1
    for run, keep, series in (("a", keep_a, values), ("b", keep_b, other)):
        strategies = [configs[i] | {"strategy_id": f"s{i}"} for i in keep]
        workspace.record(
            run=run, bars=bars, strategies=strategies, signals=wide_table(series[:, keep], [f"s{i}" for i in keep])
        )
    expected = {"only_a": set(keep_a) - set(keep_b), "only_b": set(keep_b) - set(keep_a)}
    both = set(keep_a) & set(keep_b)
    expected |= {"other_trace": {i for i in both if i % 3 == 0}, "same": {i for i in both if i % 3}}
    rows = workspace.signalbook("diff", "a", "b", "--all", "--format", "json", cwd=workspace.store).json
    found = {
        change: {int((r["strategy_id_a"] or r["strategy_id_b"])[1:]) for r in rows if r["change"] == change}
        for change in expected
    }
    assert found == expected and len(rows) == len(set(keep_a) | set(keep_b))


# --- diff of strategies ---


def test_strategies_by_hash_file_and_standard_input(runs):
    ask = runs.signalbook
    file = runs.write("my.json", CONFIGS[1])
    expected = [{"change": "changed", "path": "parameters.period", "a": "14", "b": "20"}]
    first = hash_of(ask, CONFIGS[0])
    for a, b, stdin in [(first, file, ""), (first[:6], "-", json.dumps(CONFIGS[1])), (first, "strategy_1", "")]:
        outcome = ask("diff", a, b, "--format", "json", "--store", runs.store / "run_1", stdin=stdin)
        assert outcome.code == 1 and outcome.json == expected and "1 change" in outcome.err
    assert ask.ok("diff", "strategy_1", file, "--format", "json", "--store", runs.store / "run_1").json == []
    # Files need no store.
    assert ask.ok("diff", file, file, cwd=runs.folder, env={"SIGNALBOOK_STORE": "/nowhere"}).code == 0


def test_another_spelling(signalbook):
    outcome = signalbook(
        "diff", "-", write(signalbook, {"bb": {"std": 2.0}}), "--format", "csv", stdin='{"bb": {"std": 2}}'
    )
    assert outcome.code == 1 and "same values, other spelling" in outcome.err
    assert parse_csv(outcome.out) == [{"change": "spelling", "path": "parameters.std", "a": "2", "b": "2.0"}]


def write(signalbook, content, name="given.json"):
    path = signalbook.cwd / name
    path.write_text(json.dumps(content))
    return path


def test_what_cannot_be_compared(runs):
    ask = runs.signalbook
    two = write(ask, CONFIGS, "two.json")
    for a, b, code, word in [
        ("run_1", "strategy_0", 2, "run_1 is a run"),
        ("strategy_2", "strategy_2", 2, "names 2 strategies"),  # in `changed` it is another one
        (two, "strategy_0", 2, "3 configurations"),
        ("nobody", "strategy_0", 1, "there is no strategy nobody"),
        ("-", "-", 2, "not both"),
    ]:
        outcome = ask("diff", a, b, cwd=runs.store)
        assert outcome.code == code and word in outcome.err, outcome


# --- show ---


def test_show_over_runs(runs):
    ask = runs.signalbook
    outcome = ask.ok("show", hash_of(ask, CONFIGS[0]), cwd=runs.store)
    head, table = outcome.out.split("\n\n")
    assert head.count("strategy_hash") == 1 and "param_period     14.0" in head and '"period": 14' in head
    lines = table.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["again", "changed", "other_bars", "run_1"]
    assert all(f" {word}" in lines[0] for word in ("strategy_id", "symbol", "timeframe", "data_id", "code_version", "bars",
                                                   "changes", "trace_hash", "created_at"))  # fmt: skip
    # The trace in `changed` should be that of the others: same bars, same code.
    assert "not deterministic" in outcome.err and "again, changed, run_1" in outcome.err
    assert ask.ok("show", hash_of(ask, CONFIGS[1]), cwd=runs.store).err == ""
    assert len(ask.ok("show", hash_of(ask, CONFIGS[0]), "--format", "json", cwd=runs.store).json) == 4


def test_show_of_one_run(runs):
    ask = runs.signalbook
    name = hash_of(ask, CONFIGS[0])
    alone = ask.ok("show", name, cwd=runs.store / "run_1")
    assert "trace_hash" in alone.out and "bars" not in alone.out.split("\n\n")[-1].splitlines()[-1] and alone.err == ""
    chosen = ask.ok("show", name, "--run", "run_1", cwd=runs.store).out
    assert [line for line in chosen.splitlines() if "path" not in line] == [
        line for line in alone.out.splitlines() if "path" not in line
    ]
    two = ask.ok("show", name, "--run", "run_1", "--run", "ag*", cwd=runs.store)
    assert two.out.endswith("(2 rows)\n") and two.err == ""


def test_show_of_an_id_that_means_two_strategies(runs):
    outcome = runs.signalbook.ok("show", "strategy_2", cwd=runs.store)
    assert outcome.out.count("strategy_digest") == 2 and '"std": 2.0' in outcome.out and '"std": 2\n' in outcome.out


def test_show_names_the_other_spelling(runs):
    ask = runs.signalbook
    said = ask.ok("show", hash_of(ask, CONFIGS[2]), cwd=runs.store).err
    assert "other spelling" in said and hash_of(ask, {"bb": {"period": 20, "std": 2.0}}) in said and "std=2.0" in said


def test_an_id_that_is_digits_of_other_hashes_as_well(workspace):
    """Said on standard error, and the answer stays that of the id."""
    configs = [{"rsi": {"period": i}} for i in range(40)]
    hashes = [hash_of(workspace.signalbook, config) for config in configs]
    taken, alone = hashes[1][:5], "feedfeed"
    ids = [taken, *(f"s{i}" for i in range(1, 39)), alone]
    strategies = [config | {"strategy_id": name} for config, name in zip(configs, ids)]
    workspace.record(strategies=strategies, signals=wide_table(make_signals(BARS, 40), ids))
    ask = workspace.signalbook
    said = f"{taken} is taken as a strategy_id here; these digits also fit the hash of another strategy"
    shown = ask.ok("show", taken, "--format", "json", cwd=workspace.store)
    assert [row["strategy_hash"] for row in shown.json] == [hashes[0]]
    assert said in shown.err and hashes[1] in shown.err
    for command in (["show", taken], ["trace", taken], ["diff", taken, hashes[0]]):
        assert said in ask.ok(*command, cwd=workspace.store).err, command
        assert ask.ok(*command, "--quiet", cwd=workspace.store).err == "", command
    # Nothing to say of digits that fit nothing else, or that are no id.
    for name in (alone, hashes[1], hashes[1][:6], "s1"):
        assert "is taken as" not in ask.ok("show", name, cwd=workspace.store).err, name


# --- verify ---


def test_verify(runs):
    ask = runs.signalbook
    outcome = ask("verify", cwd=runs.store)
    assert outcome.code == 1 and "not deterministic" in outcome.out  # `changed`, and nothing else
    assert len(outcome.out.splitlines()) == 1
    fine = ask.ok("verify", "results/run_1", cwd=runs.folder)
    assert "1 run, 3 traces, 1 file of bars" in fine.out
    assert ask.ok("verify", "--quiet", "--store", runs.store / "run_1").out == ""


def test_verify_goes_on_and_says_where(runs):
    ask = runs.signalbook
    traces = sorted((runs.store / "run_1").rglob("traces/**/*.parquet"))
    content = bytearray(traces[0].read_bytes())
    content[100] ^= 1
    traces[0].write_bytes(content)
    traces[1].unlink()
    (runs.store / "again" / "run.json").write_text("{")
    (runs.store / "other_bars" / "left.tmp").touch()
    outcome = ask("verify", runs.store)
    assert outcome.code == 3 and "3 cases of damage" in outcome.err
    lines = outcome.out.splitlines()
    relative = [str(trace.relative_to(runs.store / "run_1")) for trace in traces]
    assert f"run_1: {relative[0]}: not the bytes that were recorded" in lines
    assert f"run_1: {relative[1]}: missing" in lines
    assert any(line.startswith("again: run.json: ") for line in lines)
    assert any(line.startswith("other_bars: left.tmp: ") for line in lines)
    assert ask("verify", "--store", runs.folder / "nowhere").code == 1
