"""`list` finds by exact parameters, over runs whose columns differ, and says which names there are."""

import functools
import operator
import subprocess
from fractions import Fraction

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
    return "number" if isinstance(value, (int, float)) else "text"


def fits(config, name, op, value):
    parameters = config.get("parameters") or next(iter(config.values()))
    given = parameters.get(name)
    if given is None:
        return False
    if isinstance(given, list):
        given = str(given).replace(" ", "")
    is_large = kind(given) == "number" and isinstance(given, int) and int(float(given)) != given
    if kind(given) == "text" or (is_large and kind(value) == "text"):
        given = str(given)  # an integer that no double holds stands among texts, and is found as one too
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
               "9007199254740993": 9007199254740993}  # fmt: skip
    cases = [("=", text) for text in written]
    cases += [(op, text) for op in OPERATORS for text in ("2.0", '"20"', "9007199254740993")]
    for op, text in cases:
        value = written[text]
        expected = [
            (run, f"strategy_{i}")
            for run, configs in RUNS.items()
            for i, config in enumerate(configs)
            if fits(config, name, op, value)
        ]
        assert listed(mixed, "--param", f"{name}{op}{text}") == sorted(expected), (name, op, text)


LARGE = [9007199254740993, 12345678901234567891, -9007199254740995, 10**30 + 7, -(10**25) - 1, 10**320 + 1]


def test_integers_that_no_double_holds_are_numbers(workspace):
    small = [5, -3, 2.5, 2**53, -(2**53), 2.0**80, 1e300, 0]
    texts = ["5", "fast", "-", "007", "1e30", "90071992547409930x"]
    record_configs(workspace, "mixed", [{"a": {"seed": value}} for value in [*small, *LARGE, *texts]])
    record_configs(workspace, "large", [{"a": {"seed": value}} for value in LARGE])
    given = {"mixed": [*small, *LARGE], "large": LARGE}
    operands = ["5", "-0.5", "9007199254740992", "9007199254740993", "9007199254740994", "-9007199254740995",
                "12345678901234567891", "12345678901234567892", "1e30", "-1e30", "1e300", str(2**80 + 1),
                str(10**320), str(-(10**320)), str(10**320 + 2)]  # fmt: skip
    for text in operands:
        value = Fraction(float(text)) if "e" in text else Fraction(text)
        for op, holds in OPERATORS.items():
            expected = sorted(
                (run, f"strategy_{i}")
                for run, values in given.items()
                for i, number in enumerate(values)
                if holds(Fraction(number), value)
            )
            assert listed(workspace, "--param", f"seed{op}{text}") == expected, (op, text)
    record_configs(workspace, "composite", [{"strategy": [{"a": {"seed": value}} for value in [*small, *LARGE]]}])
    assert len(listed(workspace, "--leaf", "a seed>=9007199254740993")) == sum(x > 2**53 for x in [*small, *LARGE])


def test_names_with_operators_and_quoted_values(workspace):
    configs = [{"a": {"a=b": 3}}, {"a": {"a<b": 4, "a": "<14"}}, {"a": {"a": 1}}, {"strategy": [{"a": {"a=b": 3}}]}]
    record_configs(workspace, "run_1", configs)
    for option, value, expected in [
        ("--param", '"a=b"=3', [0]),
        ("--param", '"a<b" >= 4', [1]),
        ("--param", '"a"=1', [2]),
        ("--param", 'a="<14"', [1]),
        ("--leaf", 'a "a=b"=3', [3]),
    ]:
        assert [i for _, i in listed(workspace, option, value)] == [f"strategy_{i}" for i in expected], value
    for option, value in [("--param", "a=<14"), ("--param", "a=>1"), ("--param", "a<>1"), ("--leaf", "a a=<14")]:
        outcome = workspace.signalbook("list", option, value, cwd=workspace.store)
        assert outcome.code == 2 and option in outcome.err and not outcome.raw, outcome


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


@needs_components
def test_a_leaf_type_that_is_not_there_is_said(workspace):
    run = record_configs(workspace, "run_1", LEAVES)
    ask = workspace.signalbook
    cases = [("bollinger period=20", True), ("strategy", True), ("* period=1", False), ("rsi period=1", False)]
    for leaf, is_said in cases:
        outcome = ask.ok("list", "--leaf", leaf, "--format", "json", cwd=run)
        assert outcome.json == []
        said = f"no leaf here has the type '{leaf.split()[0]}'; there are "
        assert (said in outcome.err) == is_said and ("bollinger_bands" in outcome.err) == is_said, outcome
    assert ask.ok("list", "--leaf", "nosuch", "--quiet", cwd=run).err == ""


@pytest.mark.parametrize(
    ("command", "nearest"),
    [
        (["list"], "strategy_type, "),
        (["list", "--leaf", "*"], "strategy_type, "),
        (["show", "strategy_0"], "strategy_type, "),
        (["show", "strategy_0", "--format", "csv"], "strategy_type, "),
        (["sql", "SELECT 1 AS stratgy, 2 AS other"], "stratgy, other"),
    ],
)
def test_a_column_to_sort_by_that_is_not_there(mixed, command, nearest):
    outcome = mixed.signalbook(*command, "--sort-by", "strateg_type desc", cwd=mixed.store)
    assert outcome.code == 2 and not outcome.raw and "SELECT" not in outcome.err
    assert f"--sort-by strateg_type desc: there is no such column; there are {nearest}" in outcome.err


@pytest.mark.parametrize("limit", ["-1", "1.5", "many", "99999999999999999999"])
def test_a_limit_that_is_none(mixed, limit):
    outcome = mixed.signalbook("list", f"--limit={limit}", cwd=mixed.store)
    assert outcome.code == 2 and f"{limit} is not a number of rows" in outcome.err and len(outcome.err) < 200


def test_control_characters_are_written_out(workspace):
    evil = "x\x1b[31m\ny"
    config = {evil: {f"p{evil}": f"v{evil}|"}}
    record_configs(workspace, "run_1", [config, {"strategy": [config]}])
    ask = workspace.signalbook
    said = r"x\x1b[31m\ny"
    for options in (["--type", "nope"], ["--leaf", "nope"], ["--param", "perio=1"]):
        outcome = ask("list", *options, cwd=workspace.store)
        assert said in outcome.err and "\x1b" not in outcome.err, outcome
    outcome = ask("show", "no\x1bbody", cwd=workspace.store)
    assert outcome.code == 1 and r"no\x1bbody" in outcome.err
    table = ask.ok("list", "--format", "md", cwd=workspace.store).out
    assert "\x1b" not in table and r"vx\x1b[31m<br>y\|" in table and r"px\x1b[31m<br>y" in table


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
