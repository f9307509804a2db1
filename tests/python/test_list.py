"""`list` finds by exact parameters, over runs whose columns differ, and says which names there are."""

import functools
import operator
import subprocess

import pytest
from conftest import Workspace, make_signals, wide_table

BARS = 200
OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def record_configs(workspace, run, configs, **options):
    return workspace.record(
        run=run, strategies=configs, signals=wide_table(make_signals(BARS, len(configs))), **options
    )


def listed(workspace, *options, cwd=None):
    rows = workspace.signalbook.ok("list", "--format", "json", *options, cwd=cwd or workspace.store).json
    return sorted((row.get("run_id"), row["strategy_id"]) for row in rows)


# --- Parameters, against a plain reading of the configurations ---

RUNS = {
    "run_1": [{"a": {"x": 1}}, {"a": {"x": 2.0}}, {"a": {"x": "fast"}}, {"a": {"x": "20"}}, {"a": {"X": 5}}],
    "run_2": [{"a": {"X": 1, "x": 3}}, {"a": {"X": 2}}, {"b": {"x": True}}, {"b": {"x": [1, 2]}}, {"b": {"x": None}}],
    "run_3": [{"a": {"X": "fast", "x": 20}}, {"b": {"x__2": 1}}, {"b": {"x": 9007199254740993}}, {"b": {"other": 1}}],
    "run_4": [{"a": {"x": 1, "X": 2, "x__2": 3}}, {"type": "c", "parameters": {"X": 1.5}}],
}


def kind(value):
    if isinstance(value, bool):
        return "boolean"
    is_number = isinstance(value, (int, float)) and (isinstance(value, float) or int(float(value)) == value)
    return "number" if is_number else "text"


def fits(config, name, op, value):
    parameters = config.get("parameters") or next(iter(config.values()))
    given = parameters.get(name)
    if given is None:
        return False
    if isinstance(given, list):
        given = str(given).replace(" ", "")
    if kind(given) == "text":
        given = str(given)
    return kind(given) == kind(value) and OPERATORS[op](given, value)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    from conftest import Signalbook

    folder = tmp_path_factory.mktemp("mixed")
    workspace = Workspace(folder, Signalbook(folder))
    for run, configs in RUNS.items():
        record_configs(workspace, run, configs)
    return workspace


@pytest.mark.parametrize("name", ["x", "X", "x__2"])
def test_names_that_differ_in_case_over_runs(mixed, name):
    """In one run x is param_x, in the next param_x__2, over both perhaps param_x__2__2: it is found all the same."""
    written = {"1": 1, "2.0": 2, "fast": "fast", "20": 20, '"20"': "20", "true": True, "[1,2]": "[1,2]", "1.5": 1.5,
               "9007199254740993": "9007199254740993"}  # fmt: skip
    cases = [("=", text) for text in written] + [(op, text) for op in OPERATORS for text in ("2.0", '"20"')]
    for op, text in cases:
        value = written[text]
        expected = [
            (run, f"strategy_{i}")
            for run, configs in RUNS.items()
            for i, config in enumerate(configs)
            if fits(config, name, op, value)
        ]
        assert listed(mixed, "--param", f"{name}{op}{text}") == sorted(expected), (name, op, text)


def test_several_parameters_and_runs(mixed):
    assert listed(mixed, "--param", "x=1", "--param", "X=2") == [("run_4", "strategy_0")]
    assert listed(mixed, "--param", "x=1", "--run", "run_[12]") == [("run_1", "strategy_0")]
    two = listed(mixed, "--run", "run_1", "--run", "run_4")
    assert listed(mixed, "--run", "run_1", "--run", "run_4", cwd=mixed.store / "run_2") == two
    assert {run for run, _ in two} == {"run_1", "run_4"} and len(two) == 7
    assert len(listed(mixed, "--run", "*")) == sum(map(len, RUNS.values()))
    # One run is a scope of its own: without the column run_id, from anywhere in the store.
    for cwd in (mixed.store, mixed.store / "run_1", mixed.folder):
        assert listed(mixed, "--run", "run_4", cwd=cwd) == [(None, "strategy_0"), (None, "strategy_1")]
    assert len(listed(mixed, "--run", f"{mixed.store}/run_4/", "--store", mixed.store)) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--param", "othr=1"], ["'othr'", "there are other, "]),
        (["--param", "OTHER=1"], ["'OTHER'", "there are other, "]),
        (["--run", "run_9"], ["run_9", "run_1, run_2, run_3, run_4"]),
        (["--run", "x*"], ["x*", "run_1"]),
    ],
)
def test_what_is_not_there(mixed, options, words):
    outcome = mixed.signalbook("list", *options, cwd=mixed.store)
    assert outcome.code == 1 and not outcome.raw
    assert all(word in outcome.err for word in words), outcome.err


def test_a_parameter_whose_other_case_alone_is_there(workspace):
    record_configs(workspace, "run_1", [{"a": {"Fast": 1}}, {"a": {"slow": 1}}])
    outcome = workspace.signalbook("list", "--param", "fast=1", cwd=workspace.store)
    assert outcome.code == 1 and "there are Fast, slow" in outcome.err


def test_a_type_that_is_not_there_is_said(mixed):
    outcome = mixed.signalbook.ok("list", "--type", "bb", cwd=mixed.store)
    assert "'bb'" in outcome.err and "there are b, " in outcome.err
    assert mixed.signalbook.ok("list", "--type", "bb", "--quiet", cwd=mixed.store).err == ""


def test_how_many_are_spelled_in_another_way(workspace):
    configs = [{"a": {"x": 1}}, {"a": {"x": 1.0}}, {"a": {"x": 2}}, {"a": {"x": 2.0}}, {"a": {"x": 3}}]
    run = record_configs(workspace, "run_1", configs)
    assert "2 configurations" in workspace.signalbook.ok("list", cwd=run).err
    assert "1 configurations" in workspace.signalbook.ok("list", "--param", "x<2", cwd=run).err
    assert workspace.signalbook.ok("list", "--param", "x=3", cwd=run).err == ""
    # Where a limit cuts, of what is shown.
    assert "1 configurations" in workspace.signalbook.ok("list", "--limit", "1", cwd=run).err
    said = workspace.signalbook.ok("list", "--limit", "1", "--sort-by", "x desc", cwd=run).err
    assert said == "1 of 5 shown\n"
    record_configs(workspace, "run_2", configs[4:])
    assert "2 configurations" in workspace.signalbook.ok("list", cwd=workspace.store).err


# --- Leaves ---


@functools.cache
def has_components():
    from conftest import Signalbook

    text = subprocess.run(
        [Signalbook(".").program, "sql", "--help"], capture_output=True, text=True, check=False
    ).stdout
    return "components" in text


# ENABLE: with the view `components`.
needs_components = pytest.mark.skipif("not has_components()", reason="there is no view components yet")

BB20 = {"bollinger_bands": {"period": 20, "std_dev": 2.0}}
BB20_WIDE = {"bollinger_bands": {"period": 20, "std_dev": 2.5}}
RSI = {"rsi": {"period": 20}}


def weighted(config, weight):
    ((name, parameters),) = config.items()
    return {name: parameters | {"weight": weight}}


LEAVES = [
    BB20,
    {"strategy": [weighted(BB20, 0.5), weighted(RSI, 0.5)]},
    {"strategy": [RSI, {"strategy": [weighted(BB20, 0.25), weighted(BB20_WIDE, 0.75)], "weight": 0.5}]},
    {"strategy": [weighted(RSI, 1.0)]},
]


@needs_components
@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ("bollinger_bands period=20 std_dev>=2", [(1, "0", 0.5), (2, "1.0", 0.25), (2, "1.1", 0.75)]),
        ("bollinger_bands std_dev=2", [(1, "0", 0.5), (2, "1.0", 0.25)]),
        ("rsi", [(1, "1", 0.5), (2, "0", None), (3, "0", 1.0)]),
        ("* std_dev > 2.2", [(2, "1.1", 0.75)]),
        (
            "* period=20",
            [(1, "0", 0.5), (1, "1", 0.5), (2, "0", None), (2, "1.0", 0.25), (2, "1.1", 0.75), (3, "0", 1.0)],
        ),
        ("macd", []),
    ],
)
def test_leaf(workspace, leaf, expected):
    run = record_configs(workspace, "run_1", LEAVES)
    rows = workspace.signalbook.ok("list", "--leaf", leaf, "--format", "json", cwd=run).json
    found = sorted((int(row["strategy_id"][-1]), row["leaf_path"], row["leaf_weight"]) for row in rows)
    assert found == expected
    assert all("effective_weight" in row for row in rows)


def test_a_leaf_that_is_none(mixed):
    for leaf in ("", "period=20", "rsi period", "rsi =20", "rsi period=20 and"):
        outcome = mixed.signalbook("list", "--leaf", leaf, cwd=mixed.store)
        if leaf:
            assert outcome.code == 2 and "--leaf" in outcome.err, leaf
