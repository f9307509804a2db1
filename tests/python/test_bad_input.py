"""Bad input: the exit status, a message that names the place, and nothing left behind that looks like a run.

Hostile names are no bad input: they work, and stay where they belong.
"""

import gzip
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import (
    SUFFIXES,
    Outcome,
    Workspace,
    assert_series,
    make_bars,
    make_signals,
    make_strategies,
    read_index,
    read_trace,
    read_tree,
    wide_table,
)
from faults import traced

BARS = 200
NAN, INF = float("nan"), float("inf")
ONES = pa.table({"strategy_0": np.ones(BARS)})


def series(values, start=0):
    """One strategy, 1.0 but for these values from `start` on."""
    column = np.ones(BARS)
    column[start : start + len(values)] = values
    return column


def wide(column, **first_columns):
    return pa.table(first_columns | {"strategy_0": column, "strategy_1": np.ones(BARS)})


def long(idx, val=None, **columns):
    val = [1.0] * len(idx) if val is None else val
    return pa.table({"strategy_id": ["strategy_0"] * len(idx), "idx": idx, "val": val} | columns)


def no_run_below(folder):
    return not [p for p in Path(folder).rglob("*") if p.name == "strategy_index.parquet"]


# --- Files ---


@pytest.mark.parametrize("which", ["bars.csv", "bars.parquet", "bars.arrow", "signals.csv", "strategies.json"])
def test_a_disk_that_cannot_read(workspace, which):
    """The reason and status 4, whichever read it is, and never `is empty`."""
    name, form = which.split(".")
    content = {"bars": workspace.bars, "signals": ONES, "strategies": make_strategies(1)}
    paths = {
        key: workspace.write(which if key == name else f"{key}.{'json' if key == 'strategies' else 'csv'}", value)
        for key, value in content.items()
    }
    arguments = ["record", "--run", workspace.store / "run_1", "--bars", paths["bars"], "--symbol", "SPY"]
    arguments += ["--timeframe", "5m", "--strategies", paths["strategies"], "--signals", paths["signals"]]

    def attempt(*inject):
        return traced(workspace.signalbook.program, arguments, ["read", "pread64"], inject=inject, only=paths[name],
                      cwd=workspace.folder, env=workspace.signalbook.environment)  # fmt: skip

    calls = [call.name for call in attempt().calls if call.path == str(paths[name])]
    assert calls and form
    shutil.rmtree(workspace.store)
    for call in set(calls):
        for when in range(1, calls.count(call) + 1):
            done = attempt(f"{call}:error=EIO:when={when}+")
            hit = any(one.injected for one in done.calls)
            assert (done.code == 4 and "Input/output error" in done.err) or not hit, (call, when, done)
            assert which in done.err or not hit, done.err
            assert when > 1 or hit
            shutil.rmtree(workspace.store, ignore_errors=True)


def test_other_formats_are_named(workspace):
    text = b"strategy_id,idx,val\nstrategy_0,0,1\n"
    for content, words in [(gzip.compress(text), "gzip"), (text.decode().encode("utf-16"), "UTF-16"),
                           (text.replace(b",", b";"), "separated by ';'")]:  # fmt: skip
        given = {"strategies": make_strategies(1), "signals": ONES, "form": "csv"}
        path = workspace.write("odd.csv", content)
        for which in ("signals", "bars"):
            if which == "bars" and b";" in content:
                path = workspace.write("odd.csv", b"timestamp;open;high;low;close\n2024-03-26;1;1;1;1\n")
            workspace.refuse(2, "odd.csv: it looks like ", words, **given | {which: path})


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_text_that_is_no_utf8(workspace, form):
    """It would be two ids with one name, or a label that nobody has sent."""
    bad = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])),
                                                 pa.py_buffer(b"a\xff")])  # fmt: skip
    reason = {"parquet": "not a readable Parquet file", "arrow": "not a readable Arrow IPC file"}[form]
    for signals in (
        pa.table({"strategy_id": bad, "idx": [0, 1], "val": [1.0, 0.0]}),
        pa.table({"strategy_id": ["strategy_0"] * 2, "idx": [0, 1], "val": bad}),
        pa.table({"idx": [0, 1], "strategy_0": bad}),
        pa.table({"idx": [0, 1], "strategy_0": bad.dictionary_encode()}),
    ):
        workspace.refuse(2, reason, "UTF8", strategies=make_strategies(1), signals=signals, form=form)


@pytest.mark.parametrize("missing", ["bars", "strategies", "signals"])
def test_missing_file(workspace, missing):
    content = {"bars": workspace.bars, "strategies": make_strategies(1), "signals": ONES}
    content[missing] = workspace.folder / "nothing here.parquet"
    workspace.refuse(1, "nothing here.parquet", **content)


@pytest.mark.parametrize("odd", ["bars", "strategies", "signals"])
def test_directory_in_place_of_a_file(workspace, odd):
    content = {"bars": workspace.bars, "strategies": make_strategies(1), "signals": ONES}
    content[odd] = workspace.folder / "folder"
    content[odd].mkdir()
    outcome = workspace.attempt(**content)
    assert outcome.code in (2, 4) and "folder" in outcome.err and no_run_below(workspace.folder)


@pytest.mark.parametrize("name", ["empty.csv", "empty.parquet", "empty"])
@pytest.mark.parametrize("which", ["bars", "signals"])
def test_empty_file(workspace, which, name):
    content = {"bars": workspace.bars, "strategies": make_strategies(1), "signals": ONES}
    content[which] = workspace.write(name, b"")
    workspace.refuse(2, name, "empty", **content)


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("which", ["bars", "signals"])
def test_file_without_rows(workspace, which, form):
    content = {"bars": workspace.bars, "strategies": make_strategies(1), "signals": ONES}
    content[which] = workspace.write(f"no_rows.{form}", content[which].slice(0, 0))
    workspace.refuse(2, f"no_rows.{form}", **content)


@pytest.mark.parametrize("which", ["bars", "signals"])
def test_no_parquet_though_named_so(workspace, which):
    content = {"bars": workspace.bars, "strategies": make_strategies(1), "signals": ONES}
    for number, junk in enumerate(
        [b"hello, I am no table\n", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"\x00\xff" * 50]
    ):
        content[which] = workspace.write(f"junk_{number}.parquet", junk)
        workspace.refuse(2, f"junk_{number}.parquet", **content)


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize("which", ["bars", "signals"])
def test_truncated_file(workspace, which, form):
    content = {"bars": workspace.bars, "strategies": make_strategies(1), "signals": ONES}
    whole = workspace.write(f"whole.{form}", content[which]).read_bytes()
    for cut in (20, len(whole) // 2, len(whole) - 1 if form == "parquet" else len(whole) - 200):
        content[which] = workspace.write(f"cut_{cut}.{form}", whole[:cut])
        workspace.refuse(2, f"cut_{cut}.{form}", **content)


def test_damaged_parquet_page(workspace):
    """Checksums are verified where the file has them: signals of a flipped bit are none."""
    path = workspace.folder / "signals.parquet"
    pq.write_table(wide_table(make_signals(BARS, 1)), path, write_page_checksum=True, use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 2] ^= 1
    path.write_bytes(content)
    workspace.refuse(2, "signals.parquet", strategies=make_strategies(1), signals=path)


def test_csv_of_uneven_rows(workspace):
    signals = workspace.write("signals.csv", "idx,strategy_0\n0,1\n1,0,5\n2,1\n")
    workspace.refuse(2, "signals.csv", "3", strategies=make_strategies(1), signals=signals)


# --- Columns ---


@pytest.mark.parametrize("form", SUFFIXES)
def test_unknown_column(workspace, form):
    strategies = make_strategies(1)
    two = ONES.append_column("nobody", pa.array([0.0] * BARS))
    workspace.refuse(2, f"signals.{form}", "'nobody'", strategies=strategies, signals=two, form=form)
    workspace.refuse(2, f"signals.{form}", "'colour'", strategies=strategies, signals=long([0], colour=[1]), form=form)


def test_unknown_column_with_several_feeds(workspace):
    feeds = {"A_5m": make_bars(BARS), "B_5m": make_bars(BARS)}
    signals = pa.table({"A_5m/strategy_0": np.ones(BARS), "C_5m/strategy_0": np.ones(BARS)})
    workspace.refuse(2, "'C_5m/strategy_0'", feeds=feeds, strategies=make_strategies(1), signals=signals)
    workspace.refuse(2, "'strategy_0'", feeds=feeds, strategies=make_strategies(1), signals=ONES)
    workspace.refuse(2, "symbol", feeds=feeds, strategies=make_strategies(1), signals=long([0]))
    signals = long([0], symbol=["C"], timeframe=["5m"])
    workspace.refuse(2, "row 1", "'C'", feeds=feeds, strategies=make_strategies(1), signals=signals)


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("name", ["timestamp", "open", "high", "low", "close"])
def test_bars_without_a_column(workspace, name, form):
    bars = workspace.write(f"b.{form}", workspace.bars.drop_columns([name]))
    workspace.refuse(2, f"b.{form}", f"'{name}'", bars=bars, strategies=make_strategies(1), signals=ONES)


def test_columns_that_are_there_twice(workspace):
    names = [*workspace.bars.column_names, "Close"]
    bars = pa.table([*workspace.bars.columns, workspace.bars["open"]], names=names)
    workspace.refuse(2, "close", "Close", bars=bars, strategies=make_strategies(1), signals=ONES)
    twice = pa.table([np.ones(BARS), np.zeros(BARS)], names=["strategy_0", "strategy_0"])
    workspace.refuse(2, "strategy_0", "twice", strategies=make_strategies(1), signals=twice)
    both = pa.table({"strategy_0": np.ones(BARS), "SPY_5m/strategy_0": np.zeros(BARS)})
    workspace.refuse(2, "strategy_0", strategies=make_strategies(1), signals=both)


def test_long_form_without_a_bar(workspace):
    workspace.refuse(2, "idx", "ts", strategies=make_strategies(1), signals=long([0]).drop_columns(["idx"]))


def test_columns_of_no_use(workspace):
    """A list, a time or text where a number should be."""
    for values in [pa.array([[1.0]] * BARS), workspace.bars["timestamp"], pa.array([b"\x01"] * BARS)]:
        for signals in (pa.table({"strategy_0": values}), long([*range(BARS)], values)):
            workspace.refuse(2, "signals.parquet", strategies=make_strategies(1), signals=signals)
    bars = workspace.bars.set_column(4, "close", pa.array(["x"] * BARS))
    workspace.refuse(2, "bars.parquet", "row 1", "'close'", bars=bars, strategies=make_strategies(1), signals=ONES)


# --- Values ---


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("missing", [NAN, None])
def test_nan_after_the_first_value(workspace, missing, form):
    values = pa.array([None] * 3 + [1.0] * 40 + [missing] + [0.0] * (BARS - 44), pa.float64())
    words = [f"signals.{form}", "strategy_0", "bar 43", "NaN"]
    workspace.refuse(2, *words, strategies=make_strategies(2), signals=wide(values), form=form)
    rows = long(range(BARS), values)
    workspace.refuse(2, *words, "row 44", strategies=make_strategies(1), signals=rows, form=form)


@pytest.mark.parametrize("form", SUFFIXES)
def test_missing_label_after_the_first_one(workspace, form):
    labels = pa.array(["a"] * 50 + [None] + ["a"] * (BARS - 51))
    words = [f"signals.{form}", "strategy_0", "bar 50"]
    workspace.refuse(2, *words, strategies=make_strategies(2), signals=wide(labels), form=form)
    workspace.refuse(2, *words, strategies=make_strategies(1), signals=long(range(BARS), labels), form=form)
    options = ("--na", "flat")  # there is no flat label
    workspace.refuse(2, *words, options=options, strategies=make_strategies(2), signals=wide(labels), form=form)


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("value", [INF, -INF])
def test_infinities(workspace, value, form):
    values = series([value], 17)
    words = [f"signals.{form}", "strategy_0", "bar 17", "infinite"]
    for meaning in ("refuse", "flat", "hold"):
        content = {"options": ["--na", meaning], "strategies": make_strategies(2), "form": form}
        workspace.refuse(2, *words, signals=wide(values), **content)
        workspace.refuse(2, *words, signals=long(range(BARS), values), **content)
    prices = long([0, 5], [1.0, 0.0], px=[400.0, value])
    workspace.refuse(2, "row 2", "strategy_0", "bar 5", strategies=make_strategies(1), signals=prices, form=form)


def test_infinity_on_the_first_bar(workspace):
    workspace.refuse(2, "bar 0", strategies=make_strategies(2), signals=wide(series([INF])))


@pytest.mark.parametrize("form", SUFFIXES)
def test_bar_outside_the_bars(workspace, form):
    for bar in (BARS, -1, 2**40):
        words = [f"signals.{form}", f"bar {bar}", "outside", str(BARS)]
        signals = long([0, bar], [1.0, 0.0])
        workspace.refuse(2, *words, "row 2", "strategy_0", strategies=make_strategies(1), signals=signals, form=form)
        idx = [*range(BARS - 1), bar]
        workspace.refuse(2, *words, f"row {BARS}", strategies=make_strategies(2), signals=wide(series([]), idx=idx),
                         form=form)  # fmt: skip


def test_idx_that_is_no_whole_number(workspace):
    for idx in ([0.0, 1.5], ["0", "x"], [0, None]):
        workspace.refuse(2, "row 2", strategies=make_strategies(1), signals=long(pa.array(idx), [1.0, 0.0]))


@pytest.mark.parametrize("form", SUFFIXES)
def test_idx_going_back(workspace, form):
    for idx, words in [([0, 9, 5], ["bar 5", "bar 9"]), ([0, 7, 7], ["bar 7", "twice"])]:
        words = [f"signals.{form}", "row 3", *words]
        workspace.refuse(2, *words, "strategy_0", strategies=make_strategies(1), signals=long(idx, [1.0, 0.0, 1.0]),
                         form=form)  # fmt: skip
        signals = pa.table({"idx": idx, "strategy_0": [1.0, 0.0, 1.0]})
        workspace.refuse(2, *words, strategies=make_strategies(1), signals=signals, form=form)


@pytest.mark.parametrize("form", SUFFIXES)
def test_time_that_is_no_bar(workspace, form):
    ts = workspace.bars["timestamp"].cast(pa.int64()).to_pylist()[:3]
    for odd in (ts[2] + 1, ts[2] + 10**15, ts[2] - 10**15):
        times = pa.array(ts[:2] + [odd], pa.timestamp("us", "UTC"))
        signals = pa.table({"strategy_id": ["strategy_0"] * 3, "ts": times, "val": [1.0, 0.0, 1.0]})
        words = [f"signals.{form}", "row 3", "no bar at", "2024-01-02T14:35:00Z"]
        workspace.refuse(2, *words, "strategy_0", strategies=make_strategies(1), signals=signals, form=form)
        signals = pa.table({"ts": times, "strategy_0": [1.0, 0.0, 1.0]})
        workspace.refuse(2, *words, strategies=make_strategies(1), signals=signals, form=form)


def test_idx_and_time_that_disagree(workspace):
    ts = workspace.bars["timestamp"].take([0, 2])
    signals = long([0, 1], [1.0, 0.0], ts=ts)
    workspace.refuse(2, "row 2", "bar 1", "other bars", strategies=make_strategies(1), signals=signals)
    signals = pa.table({"idx": [0, 1], "ts": ts, "strategy_0": [1.0, 0.0]})
    workspace.refuse(2, "row 2", "bar 1", "other bars", strategies=make_strategies(1), signals=signals)


@pytest.mark.parametrize("form", SUFFIXES)
def test_wrong_row_count_of_a_wide_file(workspace, form):
    for count in (BARS - 1, 1):
        words = [f"signals.{form}", f"{count} rows", f"{BARS} bars"]
        workspace.refuse(2, *words, strategies=make_strategies(1), signals=ONES.slice(0, count), form=form)
    signals = pa.table({"strategy_0": np.ones(BARS + 1)})
    workspace.refuse(2, f"signals.{form}", strategies=make_strategies(1), signals=signals, form=form)
    late = pa.table({"strategy_0": pa.array([1.0] * BARS + [None]), "strategy_1": [1.0] * (BARS + 1)})
    workspace.refuse(2, f"signals.{form}", strategies=make_strategies(2), signals=late, form=form)


def test_a_number_where_labels_were(workspace):
    """CSV holds both, so one strategy can change its mind."""
    for values, words in [(["a", "b", "1"], "labels"), (["1", "0", "a"], "numbers")]:
        rows = "".join(f"strategy_0,{i},{v}\n" for i, v in enumerate(values))
        signals = workspace.write("signals.csv", "strategy_id,idx,val\n" + rows)
        words = ["signals.csv", "strategy_0", "bar 2", words]
        workspace.refuse(2, *words, "row 3", strategies=make_strategies(1), signals=signals)
        signals = workspace.write(
            "signals.csv", "idx,strategy_0\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values))
        )
        workspace.refuse(2, *words, strategies=make_strategies(1), signals=signals)


def test_nanoseconds_are_never_rounded(workspace):
    ts = workspace.bars["timestamp"].cast(pa.int64()).to_numpy() * 1000
    fine = pa.array(ts, pa.timestamp("ns", "UTC"))
    for name, column in [("whole", fine), ("odd", pa.array(ts + (np.arange(BARS) == 9), pa.timestamp("ns", "UTC")))]:
        bars = workspace.bars.set_column(0, "timestamp", column)
        signals = pa.table({"ts": column, "strategy_0": np.ones(BARS)})
        for form in ("parquet", "arrow"):
            for number, content in enumerate([{"bars": workspace.write(f"b.{form}", bars), "signals": ONES},
                                              {"signals": signals}]):  # fmt: skip
                run = f"{name}_{form}_{number}"
                outcome = workspace.attempt(strategies=make_strategies(1), form=form, run=run, **content)
                assert outcome.code == (0 if name == "whole" else 2), outcome
                if name == "odd":
                    assert "row 10" in outcome.err and "nanoseconds" in outcome.err
                    assert not (workspace.store / run).exists()


def test_nanoseconds_in_text(workspace):
    text = workspace.write("b.csv", "ts,open,high,low,close\n2024-01-02T00:00:00.000000001Z,1,1,1,1\n")
    workspace.refuse(2, "b.csv", "row 1", "nanoseconds", bars=text, strategies=make_strategies(1), signals=ONES)


@pytest.mark.parametrize("form", SUFFIXES)
def test_naive_time_is_utc_with_one_warning(workspace, form):
    naive = workspace.bars.set_column(0, "timestamp", workspace.bars["timestamp"].cast(pa.timestamp("us")))
    bars = workspace.write(f"naive.{form}", naive)
    outcome = workspace.attempt(bars=bars, strategies=make_strategies(1), signals=ONES)
    assert outcome.code == 0 and len(outcome.err.splitlines()) == 1
    assert "warning" in outcome.err and "UTC" in outcome.err and f"naive.{form}" in outcome.err
    (feed,) = json.loads((workspace.store / "run_1" / "run.json").read_text())["feeds"]
    workspace.record(strategies=make_strategies(1), signals=ONES, run="run_2")
    assert json.loads((workspace.store / "run_2" / "run.json").read_text())["feeds"] == [feed]
    signals = pa.table({"ts": naive["timestamp"], "strategy_0": np.ones(BARS)})
    outcome = workspace.attempt(strategies=make_strategies(1), signals=signals, form=form, run="run_3")
    assert outcome.code == 0 and len(outcome.err.splitlines()) == 1 and "UTC" in outcome.err


# --- Bars ---


def swap(bars, a, b):
    order = list(range(len(bars)))
    order[a], order[b] = order[b], order[a]
    return bars.take(order)


@pytest.mark.parametrize("form", SUFFIXES)
def test_unsorted_and_duplicate_bars(workspace, form):
    for bars, words in [(swap(workspace.bars, 10, 11), ["row 12", "sorted"]),
                        (workspace.bars.take([0, 1, 1, 2]), ["row 3", "twice"]),
                        (workspace.bars.take([*range(BARS - 1, -1, -1)]), ["row 2", "sorted"])]:  # fmt: skip
        path = workspace.write(f"b.{form}", bars)
        workspace.refuse(2, f"b.{form}", *words, bars=path, strategies=make_strategies(1), signals=ONES)


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_bars_with_holes(workspace, column, form):
    for odd in (NAN, None, INF):
        values = workspace.bars[column].cast(pa.float64()).to_pylist()
        values[20] = odd
        place = workspace.bars.column_names.index(column)
        path = workspace.write(f"b.{form}", workspace.bars.set_column(place, column, pa.array(values, pa.float64())))
        workspace.refuse(
            2, f"b.{form}", "row 21", f"'{column}'", bars=path, strategies=make_strategies(1), signals=ONES
        )


def test_bars_without_a_time(workspace):
    for times in ([None] * BARS, ["yesterday"] * BARS, [*range(BARS)], [NAN] * BARS):
        bars = workspace.bars.set_column(0, "timestamp", pa.array(times, pa.string() if times[0] is None else None))
        words = ["bars.parquet", "row 1", "timestamp"]
        workspace.refuse(2, *words, bars=bars, strategies=make_strategies(1), signals=ONES)


def test_a_feed_twice(workspace):
    bars = workspace.write("b.parquet", workspace.bars)
    options = ["--feed", f"SPY_5m={bars}"]
    workspace.refuse(2, "SPY", "twice", options=options, feeds={"SPY_5m": bars}, strategies=make_strategies(1),
                     signals=ONES)  # fmt: skip


# --- Strategies ---


def test_signals_of_an_unknown_strategy(workspace):
    signals = pa.table({"strategy_id": ["strategy_0", "stranger"], "idx": [0, 0], "val": [1.0, 1.0]})
    words = ["signals.parquet", "row 2", "stranger"]
    workspace.refuse(2, *words, "strategies file", strategies=make_strategies(1), signals=signals)
    config = signals.append_column("config", pa.array(['{"rsi":{}}', None]))
    workspace.refuse(2, *words, signals=config)
    workspace.refuse(2, "row 1", "strategy_0", "--strategies", signals=signals)
    workspace.refuse(2, "--strategies", signals=ONES)


def test_one_id_with_two_configurations(workspace):
    strategies = [{"strategy_id": "a", "rsi": {"n": 1}}, {"strategy_id": "a", "rsi": {"n": 2}}]
    words = ["strategy_id a", "twice"]
    workspace.refuse(2, "strategies.json", *words, strategies=strategies, signals=pa.table({"a": np.ones(BARS)}))
    configs = [json.dumps(s) for s in strategies]
    signals = pa.table({"strategy_id": ["a", "a"], "idx": [0, 1], "val": [1.0, 0.0], "config": configs})
    workspace.refuse(2, "row 2", *words, signals=signals)
    workspace.refuse(2, "row 2", *words, signals=signals, strategies=strategies[:1])
    signals = signals.set_column(3, "config", pa.array([configs[0]] * 2))
    workspace.record(strategies=strategies[:1], signals=signals)


def test_malformed_configuration_column(workspace):
    for text, word in [('{"rsi":', "line 1"), ("[]", "configuration"), ('{"a":{},"b":{}}', "type"), ("", "")]:
        signals = long([0], config=[text])
        workspace.refuse(2, "signals.parquet", "row 1", "strategy_0", word, signals=signals)


BROKEN = {
    "a.json": ('[\n  {"rsi": {"n": 1}},\n  {"rsi": {"n": 2}\n]\n', "4"),
    "b.json": ('[{"rsi": {"n": 01}}]', "1"),
    "c.json": ('[\n{"rsi": {"n": NaN}}]', "2"),
    "d.json": ('[\n\n{"rsi": {}},]', "3"),
    "e.jsonl": ('{"rsi": {}}\n{"rsi": {}}\n{"rsi": \n', "3"),
    "f.yaml": ("- rsi: {n: 1}\n- rsi: {n: 2\n- rsi: {n: 3}\n", "3"),
    "g.yaml": ("- rsi:\n    n: 1\n\t- x\n", "3"),
    "h.yaml": ("- rsi:\n    n: 1\n    n: 2\n", "3"),
    "i.yaml": ("- rsi: &a {n: *a}\n", "1"),
    "j.yaml": ("- rsi: {n: *nobody}\n", "1"),
    "k.json": ('{"rsi": {"n": 1}} trailing', "1"),
    "l.json": ("[" * 100_000, "1"),
    "m.yaml": ("- rsi: {n: " + "[" * 100_000, "1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_malformed_strategies_name_the_position(workspace, name):
    """The file and the line; for hash as well."""
    text, line = BROKEN[name]
    path = workspace.write(name, text)
    message = workspace.refuse(2, name, strategies=path, signals=ONES)
    assert re.search(rf"line {line}\b", message), message
    assert workspace.signalbook("hash", path).code == 2


@pytest.mark.parametrize(
    "config", [{}, {"a": {}, "b": {}}, {"type": ""}, {"rsi": 14}, {"strategy": []}, {"type": 3}, 7, None, "rsi", []]
)
def test_what_is_no_configuration(workspace, config):
    path = workspace.write("s.json", json.dumps([{"rsi": {}}, config], indent=0))
    workspace.refuse(2, "s.json", "line ", strategies=path, signals=ONES)


@pytest.mark.parametrize("name", ["s.json", "s.jsonl", "s.yaml", "s"])
def test_empty_strategies(workspace, name):
    texts = {"s.json": ["", "[]", '{"strategies": []}', " \n"], "s.jsonl": ["", "\n\n"], "s": ["", "[]", "\n"],
             "s.yaml": ["", "# nothing\n", "strategies:\n", "strategies: []\n", "[]", "---\n"]}  # fmt: skip
    for text in texts[name]:
        workspace.refuse(2, name, "no strategies", strategies=workspace.write(name, text), signals=ONES)


def limited(workspace, name, text):
    """The program on a hostile file, with 1 GB of memory and 10 s of processor time. It must answer well before."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))

    path = workspace.write(name, text)
    return workspace.signalbook("hash", path, preexec_fn=limit, timeout=20)


def alias_bomb(kind):
    lines = ["x: &a0 [lol, lol]" if kind == "list" else "x: &a0 {p: 1, q: 2}"]
    for level in range(1, 40):
        inner = ", ".join([f"*a{level - 1}"] * 9)
        keys = ", ".join(f"k{n}: *a{level - 1}" for n in range(9))
        lines.append(f"x{level}: &a{level} [{inner}]" if kind == "list" else f"x{level}: &a{level} {{{keys}}}")
    return "_defs:\n" + "".join(f"  {line}\n" for line in lines) + "strategies:\n  - rsi: {n: *a39}\n"


@pytest.mark.parametrize("kind", ["list", "mapping"])
def test_yaml_alias_bombs(workspace, kind):
    outcome = limited(workspace, "bomb.yaml", alias_bomb(kind))
    assert outcome.code == 2 and "bomb.yaml" in outcome.err and "alias" in outcome.err, outcome
    path = workspace.folder / "bomb.yaml"
    workspace.refuse(2, "bomb.yaml", "alias", strategies=path, signals=ONES)


def test_harmless_aliases_work(workspace):
    """What the limit is for must not hit what people write."""
    text = "x-common: &c {n: 14, m: 2.5}\nstrategies:\n  - rsi: *c\n  - sma: {<<: *c, k: 1}\n"
    outcome = workspace.signalbook("hash", "--canonical", workspace.write("s.yaml", text))
    if outcome.code == 0:
        assert outcome.out.splitlines()[0] == '{"parameters":{"m":2.5,"n":14},"type":"rsi"}'
    else:  # merge keys are of YAML 1.1: refused by name, not taken for a parameter
        assert "<<" in outcome.err


@pytest.mark.parametrize("text", ["range(1, 5, 0)", "range(0.5, 4.4, 0.0)", "range(1, 5, -0)"])
def test_range_with_step_zero(workspace, text):
    path = workspace.write("s.yaml", f'- rsi:\n    n: "{text}"\n')
    workspace.refuse(2, "s.yaml", "line 2", "step", strategies=path, signals=ONES)


@pytest.mark.parametrize("text", ["range(1)", "range(1, 5, x)", "range(5, 1, 1)", "range(1, 1e400, 1)", "range(,,)"])
def test_ranges_that_cannot_be_counted(workspace, text):
    path = workspace.write("s.yaml", f'- rsi:\n    n: "{text}"\n')
    workspace.refuse(2, "s.yaml", "line 2", "range", strategies=path, signals=ONES)


def test_products_that_are_too_many(workspace):
    """Refused before one is made: with the count, in little time and memory."""
    fold = {"a": "range(1, 100, 1)", "b": "range(0.01, 1.00, 0.01)", "c": "range(1, 100, 1)"}
    parameters = "".join(f'    {k}: "{v}"\n' for k, v in fold.items()) + "    d: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
    outcome = limited(workspace, "many.yaml", "- rsi:\n" + parameters)
    assert outcome.code == 2 and "10,000,000" in outcome.err and "many.yaml" in outcome.err, outcome
    path = workspace.folder / "many.yaml"
    workspace.refuse(2, "many.yaml", "10,000,000", strategies=path, signals=ONES)
    huge = "".join(f'    p{n}: "range(1, 1000000000, 1)"\n' for n in range(9))
    outcome = limited(workspace, "huge.yaml", "- rsi:\n" + huge)
    assert outcome.code == 2 and "huge.yaml" in outcome.err, outcome
    one = limited(workspace, "one.yaml", '- rsi:\n    n: "range(0, 1, 1e-15)"\n')
    assert one.code == 2 and "one.yaml" in one.err, one


# --- Where the run goes ---


def test_a_run_that_exists_is_left_alone(workspace):
    run = workspace.record(strategies=make_strategies(1), signals=ONES)
    before = read_tree(workspace.store)
    workspace.refuse(2, "run_1", "exists", strategies=make_strategies(1), signals=ONES)
    assert read_tree(workspace.store) == before and len(read_index(run)) == 1


def test_a_directory_or_file_that_exists_is_left_alone(workspace):
    (workspace.store / "notes").mkdir(parents=True)
    (workspace.store / "notes" / "mine.txt").write_text("mine")
    (workspace.store / "empty").mkdir()
    (workspace.store / "file").write_text("mine")
    before = read_tree(workspace.store)
    for run in ("notes", "empty", "file", "file/below"):
        outcome = workspace.attempt(strategies=make_strategies(1), signals=ONES, run=run)
        assert outcome.code in (2, 4) and run.split("/")[0] in outcome.err, outcome
        assert read_tree(workspace.store) == before and (workspace.store / "empty").is_dir()


@pytest.mark.parametrize("run", ["bars", ".signalbook", "run_1/inner"])
def test_places_that_belong_to_the_store(workspace, run):
    """A run there would be lost to every reader, or be taken for something else."""
    workspace.record(strategies=make_strategies(1), signals=ONES)
    before = read_tree(workspace.store)
    outcome = workspace.attempt(strategies=make_strategies(1), signals=ONES, run=run)
    assert outcome.code == 2, outcome
    assert read_tree(workspace.store) == before


def test_a_first_run_named_bars(workspace):
    outcome = workspace.attempt(strategies=make_strategies(1), signals=ONES, run="bars")
    assert outcome.code == 2, outcome
    assert no_run_below(workspace.folder)


@pytest.mark.parametrize("run", ["run 1", "it's", 'a"b', "a=b", "x[1]*?", "ünïcode 📈", "%41", "-dash", "$(x);`y`"])
def test_runs_of_any_name_work(workspace, run):
    workspace.store = workspace.folder / "st[o]re *'"
    path = workspace.record(strategies=make_strategies(2), signals=wide_table(make_signals(BARS, 2)), run=run)
    rows = workspace.signalbook.query("SELECT run_id, count(*) AS n FROM strategies GROUP BY ALL", cwd=workspace.store)
    assert rows == [{"run_id": run, "n": 2}]
    (row,) = workspace.signalbook.query("SELECT count(*) AS n FROM traces", cwd=workspace.store)
    assert row["n"] == sum(r["change_count"] for r in read_index(path))
    for options in (["--store", path], ["--store", workspace.store]):
        dense = workspace.signalbook.ok("trace", "strategy_1", "--dense", "--format", "json", *options).json
        assert len(dense) == BARS


def test_nothing_is_made_when_the_first_run_fails(workspace):
    """Neither the run nor a store around it."""
    outcome = workspace.attempt(strategies=make_strategies(2), signals=wide(series([INF])))
    assert outcome.code == 2 and not workspace.store.exists()


@pytest.fixture
def open_workspace(signalbook):
    """A folder that others may enter, with a program that they may run."""
    folder = Path(tempfile.mkdtemp(prefix="signalbook_test_"))
    folder.chmod(0o755)
    signalbook.program = shutil.copy(signalbook.program, folder / "signalbook")
    signalbook.cwd = folder
    yield Workspace(folder, signalbook)
    shutil.rmtree(folder)


def test_read_only_directory(open_workspace):
    workspace = open_workspace
    workspace.store.mkdir()
    workspace.store.chmod(0o555)
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    inputs = {"strategies": make_strategies(1), "signals": ONES}
    outcome = workspace.attempt(**inputs, **user)
    assert outcome.code == 4 and str(workspace.store) in outcome.err and "denied" in outcome.err, outcome
    assert read_tree(workspace.store) == {} and not (workspace.store / "run_1").exists()


def test_unreadable_file(open_workspace):
    workspace = open_workspace
    workspace.store.mkdir()
    workspace.store.chmod(0o777)
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    for number, which in enumerate(["bars", "strategies", "signals"]):
        content = {"bars": workspace.bars, "strategies": make_strategies(1), "signals": ONES}
        content[which] = workspace.write(f"secret_{number}.parquet", content[which])
        content[which].chmod(0o000)
        outcome = workspace.attempt(**content, **user)
        assert outcome.code == 4 and f"secret_{number}" in outcome.err and "denied" in outcome.err, outcome
        assert no_run_below(workspace.folder)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no right to mount a small disk here; the test of a limited file size stands in")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def large_sweep():
    count = 600
    return {"strategies": make_strategies(count), "signals": wide_table(make_signals(BARS, count).astype(np.int8))}


def test_full_disk(workspace, small_disk):
    """Told as such, nothing left of the run, and the space given back: a smaller run fits afterwards."""
    workspace.store = small_disk / "results"
    outcome = workspace.attempt(**large_sweep())
    assert outcome.code == 4 and "No space left" in outcome.err and str(small_disk) in outcome.err, outcome
    assert no_run_below(small_disk) and not (workspace.store / "run_1").exists()
    run = workspace.record(strategies=make_strategies(1), signals=ONES)
    assert_series(run, {"strategy_0": np.ones(BARS)})


def test_full_disk_beside_a_finished_run(workspace, small_disk):
    workspace.store = small_disk / "results"
    run = workspace.record(strategies=make_strategies(1), signals=ONES)
    before = read_tree(workspace.store)
    outcome = workspace.attempt(**large_sweep(), run="run_2")
    assert outcome.code == 4, outcome
    assert read_tree(workspace.store) == before and len(read_index(run)) == 1


@pytest.mark.parametrize("limit", [1000, 3000, 20_000])
def test_limited_file_size(workspace, limit):
    """Fails at the traces, at the bars, at the index: wherever, no run is left."""

    def set_limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    # Without restored signals SIGXFSZ stays ignored, as Python has it, and the write fails instead.
    outcome = workspace.attempt(**large_sweep(), preexec_fn=set_limit, restore_signals=False)
    assert outcome.code == 4 and "File too large" in outcome.err, outcome
    assert no_run_below(workspace.folder) and not (workspace.store / "run_1").exists()


def test_few_open_files(workspace):
    """Six hundred traces need no six hundred descriptors."""

    def set_limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    outcome = workspace.attempt(**large_sweep(), preexec_fn=set_limit)
    assert outcome.code == 0, outcome


# --- Usage ---


def test_wrong_usage(workspace):
    bars, signals = workspace.write("b.parquet", workspace.bars), workspace.write("s.parquet", ONES)
    strategies = workspace.write("s.json", make_strategies(1))
    good = {"--run": workspace.store / "run_1", "--bars": bars, "--symbol": "SPY", "--timeframe": "5m",
            "--strategies": strategies, "--signals": signals}  # fmt: skip

    def flat(options):
        return [part for pair in options.items() for part in pair]

    wrong = [[], ["record"], ["nonsense"], ["record", "--nonsense", *flat(good)]]
    for option in ("--run", "--bars", "--symbol", "--timeframe", "--strategies", "--signals"):
        wrong.append(["record", *flat({k: v for k, v in good.items() if k != option})])
    for more in (["--na", "maybe"], ["--layout", "spiral"], ["--tag", "novalue"], ["--tag", "=x"],
                 ["--tag", "a=1", "--tag", "a=2"], ["--feed", f"QQQ_5m={bars}"], ["--bars"], ["stray"]):  # fmt: skip
        wrong.append(["record", *flat(good), *more])
    no_feed = flat({k: good[k] for k in ("--run", "--strategies", "--signals")})
    for feed in (f"SPY={bars}", f"_5m={bars}", f"SPY_={bars}", "SPY_5m", "SPY_5m=", f"={bars}"):
        wrong.append(["record", *no_feed, "--feed", feed])
    for arguments in wrong:
        outcome = workspace.signalbook(*arguments)
        assert outcome.code == 2, (arguments, outcome)
        assert no_run_below(workspace.folder), arguments
    workspace.signalbook.ok("record", *flat(good))
    for arguments in (["hash"], ["list", "--format", "xml"], ["list", "--limit", "-1"], ["list", "--sort-by", "x"],
                      ["list", "--param", "fast"], ["list", "--where", "fast ="], ["show"], ["trace"], ["sql"],
                      ["sql", "SELEKT 1"], ["sql", "SELECT nothing FROM strategies"], ["sql", "SELECT 1; SELECT 2"],
                      ["sql", "COPY (SELECT 1) TO 'x.csv'"], ["sql", "CREATE TABLE t (a INTEGER)"]):  # fmt: skip
        outcome = workspace.signalbook(*arguments)
        assert outcome.code == 2 and not outcome.raw, (arguments, outcome)
    assert not (workspace.folder / "x.csv").exists()


def test_empty_options(workspace):
    """A variable of a shell that is not set: never meant as no option at all."""
    given = {"strategies": make_strategies(1), "signals": ONES}
    for option in ("--writer", "--code-version", "--strategies", "--signals", "--layout", "--na", "--symbol", "--run"):
        outcome = workspace.attempt(option, "", **given)
        assert outcome.code == 2 and f"{option} is empty" in outcome.err, outcome
        assert not workspace.store.exists()
    workspace.record("--note", "", **given)
    for command, option in [("list", "--store"), ("list", "--run"), ("list", "--where"), ("verify", "--store"),
                            ("list", "--type"), ("sql", "--sort-by"), ("catalog", "--store")]:  # fmt: skip
        outcome = workspace.signalbook(command, option, "")
        assert outcome.code == 2 and f"{option} is empty" in outcome.err, outcome


# --- Hostile names work ---

NAMES = {
    "slash": "BTC/USDT",
    "up": "../x",
    "root": "/etc/passwd",
    "long": "x" * 300,
    "long, escaped": "é/" * 100,
    "emoji": "📈🚀",
    "equals": "a=b",
    "spaces": "  two words ",
    "newline": "a\nb\r\n",
    "quotes": 'it\'s "quoted" `x` \\',
    "dot": ".",
    "dots": "..",
    "hidden": ".hidden",
    "underscore": "_x",
    "tilde": "~2F",
    "glob": "*?[a]{b,c}",
    "sql": "'; DROP TABLE x; --",
    "percent": "%2e%2e/$HOME",
    "control": "\x01\x1b[31m\x7f",
    "reserved": "CON",
    "null": "null",
    "number": "007",
    "accents": "ÀÉ",
}
PLAIN = re.compile(r"[A-Za-z0-9.~-][A-Za-z0-9_.~-]*")


def assert_plain_paths(store):
    """Every name below the store is one that every disk takes."""
    for path in store.rglob("*"):
        for part in path.relative_to(store).parts:
            assert PLAIN.fullmatch(part) and len(part) <= 255 and part.strip("."), part
    for part in (p.relative_to(store).parts for p in store.rglob("traces/*") if p.is_dir()):
        assert not part[-1].startswith((".", "_")) and len(part[-1]) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_hostile_symbols(workspace, name):
    symbol, values = NAMES[name], make_signals(BARS, 2)
    run = workspace.record(strategies=make_strategies(2), signals=wide_table(values), symbol=symbol, timeframe=symbol)
    inputs = {"bars.parquet", "strategies.json", "signals.parquet", "results"}
    assert {p.name for p in workspace.folder.iterdir()} == inputs
    assert_plain_paths(workspace.store)
    assert_series(run, {(symbol, symbol, f"strategy_{i}"): values[:, i] for i in range(2)})
    for row in read_index(run):
        assert set(read_trace(run, row)["sym"].to_pylist()) == {symbol}
        assert (run / row["trace_path"]).resolve().is_relative_to(run.resolve())
    ask = workspace.signalbook
    (row,) = ask.query("SELECT DISTINCT symbol, timeframe FROM strategies", cwd=workspace.store)
    assert row == {"symbol": symbol, "timeframe": symbol}
    assert ask.query("SELECT DISTINCT sym FROM traces", cwd=workspace.store) == [{"sym": symbol}]
    assert ask.query("SELECT DISTINCT symbol FROM bars", cwd=workspace.store) == [{"symbol": symbol}]
    dense = ask.ok("trace", "strategy_1", f"--symbol={symbol}", "--dense", "--format", "json", cwd=run).json
    assert [row["val"] for row in dense] == list(values[:, 1])
    ask.ok("list", cwd=workspace.store)
    ask.ok("show", "strategy_0", cwd=workspace.store)


@pytest.mark.parametrize("name", NAMES)
def test_hostile_types_parameters_and_ids(workspace, name):
    text, values = NAMES[name], make_signals(BARS, 2)
    key = "p" + text if text.startswith("_") else text  # what begins with an underscore does not count
    strategies = [{"strategy_id": text, "type": text, "parameters": {key: text, "": 1.0}, "constraints": text},
                  {"strategy_id": text + "2", "type": text, "parameters": {key: 2.0}, "threshold": text}]  # fmt: skip
    run = workspace.record(strategies=strategies, signals=wide_table(values, [text, text + "2"]))
    assert_plain_paths(workspace.store)
    assert_series(run, {text: values[:, 0], text + "2": values[:, 1]})
    rows = {row["strategy_id"]: row for row in read_index(run)}
    assert rows[text]["strategy_type"] == text and rows[text]["constraints"] == text
    assert rows[text][f"param_{key}__str"] == text and rows[text + "2"][f"param_{key}"] == 2.0
    for row in rows.values():
        assert (run / row["trace_path"]).resolve().is_relative_to(run.resolve())
    ask = workspace.signalbook
    found = ask.ok("list", f"--type={text}", f"--sort-by=param_{key}", "--format", "json", cwd=workspace.store).json
    assert [row["strategy_id"] for row in found] == [text + "2", text]
    assert len(ask.query("SELECT * FROM strategies", cwd=run)) == 2
    ask.ok("list", cwd=run)
    shown = ask.ok("show", "--format", "json", "--", text, cwd=workspace.store).json
    assert [row["strategy_type"] for row in shown] == [text]
    dense = ask.ok("trace", "--dense", "--format", "json", "--", text, cwd=workspace.store).json
    assert [row["val"] for row in dense] == list(values[:, 0])


@pytest.mark.parametrize("form", SUFFIXES)
def test_hostile_names_in_columns(workspace, form):
    """As columns of the wide form and as cells of the long one."""
    names = [n for n in NAMES.values() if form != "csv" or not re.search("[\r\n]", n)]
    if form == "csv":
        names.remove("null")  # CSV has no quotes that tell it from NULL
    strategies = [{"strategy_id": n, "t": {"n": i}} for i, n in enumerate(names)]
    values = make_signals(BARS, len(names))
    run = workspace.record(strategies=strategies, signals=wide_table(values, names), form=form)
    assert_series(run, dict(zip(names, values.T)))
    ids = [n for n in names for _ in range(BARS)]
    signals = pa.table({"strategy_id": ids, "idx": [*range(BARS)] * len(names), "val": values.T.ravel()})
    run = workspace.record(strategies=strategies, signals=signals, form=form, run="run_2")
    assert_series(run, dict(zip(names, values.T)))


@pytest.mark.parametrize("form", SUFFIXES)
def test_hostile_labels(workspace, form):
    labels = [n for n in NAMES.values() if n not in ("null", "007") and (form != "csv" or not re.search("[\r\n]", n))]
    column = [labels[i % len(labels)] for i in range(BARS)]
    run = workspace.record(strategies=make_strategies(1), signals=pa.table({"strategy_0": column}), form=form)
    assert_series(run, {"strategy_0": column})


def test_names_that_differ_in_case_only(workspace):
    """Apart on a disk that does not see case, too."""
    symbols, types = ["SPY", "spy", "Spy"], ["rsi", "RSI", "Rsi"]
    strategies = [{"type": t, "parameters": {"n": 1, "N": 2}} for t in types]
    feeds = {f"{s}_5m": make_bars(BARS, i) for i, s in enumerate(symbols)}
    values = {(s, "5m", f"strategy_{i}"): make_signals(BARS, 3, seed=n)[:, i]
              for n, s in enumerate(symbols) for i in range(3)}  # fmt: skip
    columns = {f"{s}_{t}/{i}": v for (s, t, i), v in values.items()}
    run = workspace.record(feeds=feeds, strategies=strategies, signals=pa.table(columns))
    assert_series(run, values)
    paths = [str(p.relative_to(run)) for p in run.rglob("*")]
    assert len({p.lower() for p in paths}) == len(paths)
    assert len([p for p in run.rglob("*.parquet") if "traces" in p.parts]) == 9
    rows = workspace.signalbook.query("SELECT symbol, count(*) AS n FROM traces JOIN strategies s ON strat = "
                                      "s.strategy_id AND sym = s.symbol GROUP BY 1", cwd=workspace.store)  # fmt: skip
    assert {r["symbol"] for r in rows} == set(symbols)


def test_names_that_escape_to_the_same_text(workspace):
    """A symbol and timeframe that join to one text, and texts that look like an escape."""
    feeds = [("BTC_1", "5m"), ("BTC", "1_5m"), ("a/b", "1h"), ("a~2Fb", "1h"), ("x" * 300, "1h"), ("x" * 299, "1h")]
    values = make_signals(BARS, 1)
    for number, (symbol, timeframe) in enumerate(feeds):
        run = workspace.record(strategies=make_strategies(1), signals=wide_table(values), symbol=symbol,
                               timeframe=timeframe, run=f"run_{number}")  # fmt: skip
        assert_series(run, {(symbol, timeframe, "strategy_0"): values[:, 0]})
    strategies = [{"type": t, "parameters": {}} for t in ("a/b", "a~2Fb", "y" * 300, "y" * 299, "y" * 81)]
    values = make_signals(BARS, 5)
    run = workspace.record(strategies=strategies, signals=wide_table(values), run="types")
    assert_series(run, {f"strategy_{i}": values[:, i] for i in range(5)})
    assert_plain_paths(workspace.store)


def test_empty_names(workspace):
    """No symbol, timeframe, type or strategy_id is refused, not made up."""
    for content in [{"symbol": ""}, {"timeframe": ""}, {"strategies": [{"type": "", "parameters": {}}]},
                    {"strategies": [{"strategy_id": "", "rsi": {}}]}]:  # fmt: skip
        workspace.refuse(2, **{"strategies": make_strategies(1), "signals": ONES} | content)
    signals = pa.table({"strategy_id": ["", "strategy_0"], "idx": [0, 0], "val": [1.0, 1.0]})
    workspace.refuse(2, "row 1", strategies=make_strategies(1), signals=signals)


def test_equals_sign_in_the_symbol_of_a_feed(workspace):
    """Yahoo's futures and currencies: ES=F, EURUSD=X."""
    signals = pa.table({"ES=F_5m/strategy_0": np.ones(BARS)})
    run = workspace.record(feeds={"ES=F_5m": workspace.bars}, strategies=make_strategies(1), signals=signals)
    assert_series(run, {("ES=F", "5m", "strategy_0"): np.ones(BARS)})


def test_outcomes_are_what_they_seem(workspace):
    """`refuse` can fail: on a run that works, on a word that is not said."""
    with pytest.raises(AssertionError):
        workspace.refuse(2, strategies=make_strategies(1), signals=ONES)
    with pytest.raises(AssertionError, match="not said"):
        workspace.refuse(2, "not said", strategies=make_strategies(1), signals=ONES)
    assert isinstance(workspace.attempt(strategies=make_strategies(1), signals=ONES), Outcome)
