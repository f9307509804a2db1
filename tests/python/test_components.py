"""strategy_components.parquet: strategies inside strategies, recorded by the program and read back with pyarrow."""

import fcntl
import hashlib
import json
import math
import os
import pty
import random
import struct
import subprocess
import termios

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import make_bars, read_index, read_parquet, read_tree, wide_table

BARS = 10

ENSEMBLE = {
    "strategy_type": "ensemble",
    "strategy_hash": "d4e5f6a7b8c9",
    "config": {
        "strategy": [
            {"sma_crossover": {"fast_period": 15, "slow_period": 50, "weight": 0.4}},
            {"bollinger_bands": {"period": 20, "std": 2.0, "weight": 0.6}},
            {"threshold": "0.5 AND volume > sma(volume, 20) AND market_hours() == 'regular'"},
        ]
    },
}
COMPOSITE = {
    "strategy_type": "composite",
    "strategy_hash": "e5f6a7b8c9d0",
    "config": {
        "strategy": [
            {
                "weight": 0.6,
                "strategy": [
                    {"ma_crossover": {"fast": 10, "slow": 30, "weight": 0.5}},
                    {"momentum": {"period": 14, "weight": 0.5}},
                ],
                "threshold": "0.3 AND adx(14) > 25",
            },
            {
                "weight": 0.4,
                "strategy": [
                    {"bollinger_bands": {"period": 20, "std": 2.0, "weight": 0.6}},
                    {"rsi_extreme": {"period": 14, "oversold": 30, "weight": 0.4}},
                ],
                "threshold": "0.5 AND adx(14) < 20",
            },
        ]
    },
}
CONDITIONAL = {
    "strategy": {
        "conditional": {
            "if": "adx(14) > 25",
            "if_true": {"weighted": {"strategies": [{"weight": 1.0, "strategy": {"momentum": {"period": 14}}}]}},
            "if_false": {"rsi": {"period": 7}},
        }
    }
}
DEEP = {
    "strategy": [
        {
            "weight": 0.5,
            "strategy": [
                {
                    "weight": 0.5,
                    "strategy": [{"momentum": {"period": 14, "weight": 0.25}}, {"rsi": {"period": 14, "weight": 0.75}}],
                },
                {"macd": {"weight": 0.5}},
            ],
        },
        {"sma_crossover": {"fast_period": 15, "slow_period": 50}, "weight": 0.5},
    ]
}


def record(workspace, configs, run="run_1"):
    """The outcome of recording these configurations as s0, s1, ..., each saying its number, and the run."""
    workspace.bars = make_bars(BARS)
    strategies = [{"strategy_id": f"s{n}", **config} for n, config in enumerate(configs)]
    signals = wide_table([np.full(BARS, float(n)) for n in range(len(configs))], [f"s{n}" for n in range(len(configs))])
    outcome = workspace.attempt(strategies=strategies, signals=signals, run=run)
    assert outcome.code == 0, outcome
    return outcome, workspace.store / run


def read_components(run):
    return read_parquet(run / "strategy_components.parquet").to_pylist()


def outline(rows):
    columns = ("path", "role", "component_type", "weight", "weight_sum", "effective_weight", "is_leaf")
    return [tuple(row[name] for name in columns) for row in rows]


def full_hashes(signalbook, configs):
    text = "\n".join(json.dumps(config) if isinstance(config, dict) else config for config in configs)
    return signalbook.ok("hash", "--full", "-", stdin=text).out.split()


def test_an_ensemble_and_a_composite_of_groups(workspace):
    _, run = record(workspace, [ENSEMBLE, COMPOSITE])
    roots = {row["strategy_id"]: row["strategy_hash"] for row in read_index(run)}
    rows = {s: [row for row in read_components(run) if row["strategy_hash"] == roots[s]] for s in roots}
    assert outline(rows["s0"]) == [
        ("0", None, "sma_crossover", 0.4, 1.0, 0.4, True),
        ("1", None, "bollinger_bands", 0.6, 1.0, 0.6, True),
    ]
    assert outline(rows["s1"]) == [
        ("0", None, "ensemble", 0.6, 1.0, 0.6, False),
        ("0.0", None, "ma_crossover", 0.5, 1.0, 0.6 * 0.5, True),
        ("0.1", None, "momentum", 0.5, 1.0, 0.6 * 0.5, True),
        ("1", None, "ensemble", 0.4, 1.0, 0.4, False),
        ("1.0", None, "bollinger_bands", 0.6, 1.0, 0.4 * 0.6, True),
        ("1.1", None, "rsi_extreme", 0.4, 1.0, 0.4 * 0.4, True),
    ]
    assert [row["threshold"] for row in rows["s1"]] == [
        "0.3 AND adx(14) > 25", None, None, "0.5 AND adx(14) < 20", None, None
    ]  # fmt: skip
    assert [row["parent_path"] for row in rows["s1"]] == ["", "0", "0", "", "1", "1"]
    by_path = {row["path"]: row for row in rows["s1"]}
    for row in rows["s1"]:
        assert row["depth"] == len(row["path"].split("."))
        assert row["parent_hash"] == (
            by_path[row["parent_path"]]["component_hash"] if row["depth"] > 1 else roots["s1"]
        )
    # One bollinger in both: that is what the file is for.
    shared = [
        row["strategy_hash"] for row in read_components(run) if row["param_period"] == 20 and row["param_std"] == 2
    ]
    assert sorted(shared) == sorted(roots.values())


def test_every_component_has_the_hash_that_it_has_alone(workspace, signalbook):
    _, run = record(workspace, [ENSEMBLE, COMPOSITE, CONDITIONAL, DEEP])
    rows = read_components(run)
    assert len(rows) == 2 + 6 + 4 + 6
    digests = full_hashes(signalbook, [row["component_config"] for row in rows])
    assert [row["component_digest"].hex() for row in rows] == digests
    for row in rows:
        assert row["component_hash"] == row["component_digest"].hex()[:12]
        assert row["parent_hash"] == row["parent_digest"].hex()[:12]
        assert hashlib.sha256(row["component_config"].encode()).digest() == row["component_digest"]
        assert "weight" not in json.loads(row["component_config"])

    # Each leaf on its own in a run, written by hand.
    leaves = [
        {"sma_crossover": {"fast_period": 15, "slow_period": 50}},
        {"bollinger_bands": {"period": 20, "std": 2.0}},
        {"ma_crossover": {"fast": 10, "slow": 30}},
        {"momentum": {"period": 14}},
        {"rsi_extreme": {"period": 14, "oversold": 30}},
        {"rsi": {"period": 7}},
        {"rsi": {"period": 14}},
        {"type": "macd"},
    ]
    _, alone = record(workspace, leaves, run="alone")
    assert {row["component_hash"] for row in rows if row["is_leaf"]} == {
        row["strategy_hash"] for row in read_index(alone)
    }
    assert read_components(alone) == []


def test_conditional_and_weighted_forms(workspace):
    _, run = record(workspace, [CONDITIONAL])
    assert outline(read_components(run)) == [
        ("0", "conditional", "conditional", None, None, None, False),
        ("0.0", "if_true", "weighted", None, None, None, False),
        ("0.0.0", None, "momentum", 1.0, 1.0, None, True),
        ("0.1", "if_false", "rsi", None, None, None, True),
    ]


def test_an_ensemble_of_an_old_run(workspace, test_data):
    """Leaves in a list among the parameters, in the old spelling `params`."""
    path = test_data / "data/legacy/config/ensemble/results/20250623_084444/metadata.json"
    (old,) = json.loads(path.read_text())["components"].values()
    _, run = record(workspace, [{"type": old["strategy_type"], "parameters": old["parameters"]}])
    rows = read_components(run)
    assert [row["component_type"] for row in rows] == ["keltner_bands", "bollinger_bands"]
    assert {row["is_leaf"] for row in rows} == {True}
    _, alone = record(workspace, old["parameters"]["composite_strategies"], run="alone")
    assert {row["component_hash"] for row in rows} == {row["strategy_hash"] for row in read_index(alone)}


def test_parameters_in_the_old_spelling_are_asked_for_like_others(workspace, signalbook):
    leaves = [
        {"type": "keltner_bands", "params": {"period": 26, "multiplier": 3.0}},
        {"type": "bollinger_bands", "params": {"period": 11}},
    ]
    ensemble = {"type": "ensemble", "parameters": {"composite_strategies": leaves}}
    _, run = record(workspace, [ensemble, *leaves])
    assert [(row["param_period"], row["param_multiplier"]) for row in read_components(run)] == [(26, 3), (11, None)]
    plain = {row["strategy_id"]: row["param_period"] for row in read_index(run)}
    assert plain == {"s0": None, "s1": 26, "s2": 11}
    query = ["list", "--store", run, "--format", "csv"]
    found = signalbook.ok(*query, "--leaf", "bollinger_bands period=11").out
    assert "s0" in found and "s1" not in found
    assert "s2" in signalbook.ok(*query, "--param", "period=11").out
    assert "bollinger_bands  period=11  " in signalbook.ok("show", "s0", "--store", run).out


def test_a_tree_of_depth_three(workspace):
    _, run = record(workspace, [DEEP])
    assert outline(read_components(run)) == [
        ("0", None, "composite", 0.5, 1.0, 0.5, False),
        ("0.0", None, "ensemble", 0.5, 1.0, 0.25, False),
        ("0.0.0", None, "momentum", 0.25, 1.0, 0.0625, True),
        ("0.0.1", None, "rsi", 0.75, 1.0, 0.1875, True),
        ("0.1", None, "macd", 0.5, 1.0, 0.25, True),
        ("1", None, "sma_crossover", 0.5, 1.0, 0.5, True),
    ]


def test_weights_that_do_not_sum_to_one_are_kept_and_flagged(workspace, signalbook):
    pair = [{"a": {"weight": 0.4}}, {"b": {"weight": 0.5}}]
    outcome, run = record(workspace, [{"strategy": pair}, {"strategy": [{"weight": 1, "strategy": pair}]}])
    assert "warning: strategy s0: weights of the root sum to 0.9, not 1; kept as given\n" in outcome.err
    assert "warning: strategy s1: weights of 0 sum to 0.9, not 1; kept as given\n" in outcome.err
    rows = [row for row in read_components(run) if row["component_type"] == "a"]
    assert [(row["weight"], row["weight_sum"], row["effective_weight"]) for row in rows] == [(0.4, 0.9, 0.4)] * 2
    even = [{"a": {"weight": 0.1}}] * 3 + [{"b": {"weight": 0.7}}]
    assert "sum to" not in record(workspace, [{"strategy": even}, DEEP], run="even")[0].err


@pytest.mark.parametrize(
    "weights, message",
    [
        (("0.5", 0.5), 'weight "0.5" of the root is no number'),
        ((True, 0.5), "weight true of the root is no number"),
        ((10**399, 0.5), f"weight 1{'0' * 23}... of the root is too large"),
        ((1e308, 1e308), "weights of the root do not sum to 1"),
        ((0.5, 0.5, None), "2 of 3 strategies of the root have a weight"),
    ],
)
def test_weights_that_cannot_be_summed_are_kept_and_flagged(workspace, signalbook, weights, message):
    leaves = [{"rsi": {"period": n} | ({} if w is None else {"weight": w})} for n, w in enumerate(weights)]
    outcome, run = record(workspace, [{"strategy": leaves}])
    assert f"warning: strategy s0: {message}; kept as given\n" in outcome.err
    rows = read_components(run)
    numbers = [w if type(w) is float else None for w in weights]
    assert [(row["weight"], row["weight_sum"]) for row in rows] == [(number, None) for number in numbers]
    tree = signalbook.ok("show", "s0", "--store", run).out.split("\ncomponents\n", 1)[1].splitlines()
    assert tree[0].endswith("  ! " + message.replace(" of the root", ""))
    assert "  weight " in tree[1]


def random_tree(r, depth, weighted=0.8):
    """A configuration, weights inside the parameters, beside them, or not there."""
    if depth == 0 or r.random() < 0.3:
        return {r.choice(["rsi", "sma", "macd"]): {"period": r.randint(2, 40)}}
    items = []
    for _ in range(r.randint(1, 4)):
        item = random_tree(r, depth - 1, weighted)
        if r.random() < weighted:
            weight = r.choice([1, 2, 0, round(r.random(), 3), r.random()])
            if "strategy" in item or r.random() < 0.5:
                item["weight"] = weight
            else:
                next(iter(item.values()))["weight"] = weight
        items.append(item)
    return {"strategy": items}


def walk(node, path="", effective=1.0):
    """What the rows must say of the children of a node, slowly: path, depth, weights, leaf."""
    weights = [
        c.get("weight", next(iter(c.values())).get("weight") if "strategy" not in c else None) for c in node["strategy"]
    ]
    total = None
    if None not in weights:
        total = 0.0
        for weight in weights:
            total += weight
    for n, (child, weight) in enumerate(zip(node["strategy"], weights)):
        here = f"{path}.{n}" if path else str(n)
        share = None if effective is None or weight is None else effective * weight
        yield here, len(here.split(".")), weight, total, share, "strategy" not in child
        if "strategy" in child:
            yield from walk(child, here, share)


def groups(node):
    """Every list of strategies with its weights, as the rows of walk say them."""
    rows = list(walk(node))
    for parent in {row[0].rpartition(".")[0] for row in rows}:
        yield [row[2] for row in rows if row[0].rpartition(".")[0] == parent]


def is_flagged(weights):
    given = [weight for weight in weights if weight is not None]
    if len(given) < len(weights):
        return len(given) > 0
    return not math.isclose(sum(given), 1, rel_tol=0, abs_tol=1e-9)


def test_random_trees_against_a_slow_recursion(workspace):
    r = random.Random(7)
    trees = [{"strategy": [random_tree(r, 4, w), random_tree(r, 3, w)]} for w in [1.0] * 12 + [0.7] * 12]
    outcome, run = record(workspace, trees)
    roots = {row["strategy_id"]: row["strategy_digest"] for row in read_index(run)}
    rows = read_components(run)
    deepest = flagged = 0
    for n, tree in enumerate(trees):
        mine = [row for row in rows if row["strategy_digest"] == roots[f"s{n}"]]
        expected = list(walk(tree))
        columns = ("path", "depth", "weight", "weight_sum", "effective_weight", "is_leaf")
        assert [tuple(row[name] for name in columns) for row in mine] == expected
        deepest = max([deepest, *(row[1] for row in expected)])
        flagged += any(is_flagged(weights) for weights in groups(tree))
    assert deepest >= 4 and flagged > 3
    assert f"{flagged - 3} more configurations have weights that do not sum to 1" in outcome.err


def test_rows_follow_the_index_and_come_once(workspace):
    ids = [ENSEMBLE, {"type": "zz"}, COMPOSITE, ENSEMBLE, DEEP, {"aa": {}}]
    workspace.bars = make_bars(BARS)
    strategies = [{"strategy_id": f"s{n}", **config} for n, config in enumerate(ids)]
    feeds = {"SPY_5m": make_bars(BARS), "QQQ_5m": make_bars(BARS, seed=2)}
    signals = wide_table([np.full(BARS, n) for n in range(6)] * 2, [f"{f}/s{n}" for f in feeds for n in range(6)],
                         idx=range(BARS))  # fmt: skip
    workspace.bars = feeds["SPY_5m"]
    run = workspace.record(strategies=strategies, signals=signals, feeds=feeds)
    order = list(dict.fromkeys(row["strategy_digest"] for row in read_index(run)))
    rows = read_components(run)
    assert [d for d in order if d in {row["strategy_digest"] for row in rows}] == list(
        dict.fromkeys(row["strategy_digest"] for row in rows)
    )
    places = [(order.index(row["strategy_digest"]), [int(n) for n in row["path"].split(".")]) for row in rows]
    assert places == sorted(places) and len(places) == 2 + 6 + 6


def test_same_bytes_on_a_second_recording(workspace):
    configs = [ENSEMBLE, COMPOSITE, CONDITIONAL, DEEP]
    trees = [read_tree(record(workspace, configs, run=f"run_{n}")[1]) for n in range(2)]
    assert trees[0]["strategy_components.parquet"] == trees[1]["strategy_components.parquet"]
    assert trees[0].keys() == trees[1].keys()


def test_a_run_without_composites_has_the_columns(workspace):
    _, run = record(workspace, [{"rsi": {"period": 14}}])
    table = read_parquet(run / "strategy_components.parquet")
    assert table.num_rows == 0 and table.column_names[0] == "strategy_hash" and "component_config" in table.column_names
    assert "ARROW:schema" not in (pq.ParquetFile(run / "strategy_components.parquet").metadata.metadata or {})


def test_names_and_text_that_are_hard_to_store(workspace, signalbook):
    config = {"strategy": [{"tpye\u001b[2J\ud800é": {"p\n": "\ud800", "P\n": 2}}, {"b": {}}], "threshold": "\u202e"}
    _, run = record(workspace, [config])
    (row, _) = read_components(run)
    assert row["component_type"] == "tpye\u001b[2J���é" or "�" in row["component_type"]
    assert full_hashes(signalbook, [row["component_config"]]) == [row["component_digest"].hex()]
    shown = signalbook.ok("show", "s0", "--store", run).out
    assert "\u001b" not in shown and "\u202e" not in shown


@pytest.mark.parametrize("config", [ENSEMBLE, COMPOSITE, CONDITIONAL, DEEP])
def test_show_draws_the_tree(workspace, signalbook, config):
    _, run = record(workspace, [config, {"rsi": {}}])
    shown = signalbook.ok("show", "s0", "--store", run).out
    tree = shown.split("\ncomponents\n", 1)[1].split("\nstrategy_config\n", 1)[0].splitlines()
    rows = read_components(run)
    assert len(tree) == 1 + len(rows)
    for line, row in zip(tree[1:], rows):
        assert line.index("─ ") == 3 * (row["depth"] - 1) + 1
        assert row["component_type"] in line and row["component_hash"] in line
        assert row["weight"] is None or f"weight {row['weight']:g}" in line
    assert "\ncomponents\n" not in signalbook.ok("show", "s1", "--store", run).out
    assert "─" not in signalbook.ok("show", "s0", "--store", run, "--format", "json").out


def test_the_tree_fits_a_narrow_terminal(workspace, signalbook):
    _, run = record(workspace, [COMPOSITE])
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    command = [os.environ["SIGNALBOOK_PROGRAM"], "show", "s0", "--store", str(run)]
    with subprocess.Popen(command, stdout=terminal, stderr=subprocess.DEVNULL) as process:
        os.close(terminal)
        text = b""
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # Linux says so at the end
                break
            if not part:
                break
            text += part
    os.close(reader)
    assert process.returncode == 0

    def tree(shown):
        return shown.split("\ncomponents\n", 1)[1].split("\nstrategy_config\n", 1)[0].splitlines()

    narrow = tree(text.decode().replace("\r\n", "\n"))
    whole = tree(signalbook.ok("show", "s0", "--store", run).out)
    assert narrow == [line if len(line) <= 40 else line[:39] + "…" for line in whole]
    assert any(line.endswith("…") for line in narrow) and not any("…" in line for line in whole)
