"""`signalbook record`: what goes in by any road comes back, read with pyarrow alone."""

import json
import zoneinfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import (
    SUFFIXES,
    Signalbook,
    Workspace,
    assert_series,
    make_bars,
    make_signals,
    make_strategies,
    read_index,
    read_parquet,
    read_trace,
    read_tree,
    wide_table,
)

BARS = 200
NAN = float("nan")


# --- One sweep by every road ---


class Sweep:
    """Five strategies of numbers, one of them late, one silent for a while at the end, and a classifier."""

    def __init__(self):
        self.bars = make_bars(BARS)
        signals = make_signals(BARS, 5, seed=2, values=(-1.0, 0.0, 1.0, 0.25, -2.5, 1e-7))
        signals[:37, 1] = NAN
        signals[120:, 2] = signals[119, 2]
        labels = np.array(["trend", "range", 'é, "so"', "x" * 70], dtype=object)
        labels = labels[make_signals(BARS, 1, seed=3, values=(0, 1, 2, 3))[:, 0].astype(int)]
        labels[:5] = None
        self.columns = [*signals.T, labels]
        self.strategies = [*make_strategies(5), {"regime": {"window": 20}}]
        self.ids = [f"strategy_{i}" for i in range(6)]
        self.ts = self.bars["timestamp"]

    def expected(self):
        return dict(zip(self.ids, self.columns))

    @staticmethod
    def changes(column):
        """Where the value differs from the bar before; a missing start says nothing."""
        previous, found = None, []
        for bar, value in enumerate(column):
            if value is None or value == previous or (not isinstance(value, str) and np.isnan(value)):
                continue
            found.append(bar)
            previous = value
        return found

    def wide(self, rows=None, **first_columns):
        return wide_table([pa.array(c, from_pandas=True) for c in self.columns], **first_columns).take(
            list(range(BARS) if rows is None else rows)
        )

    def long(self, numbers, changes_only=False, by="idx", config=False):
        """The rows of the numeric strategies, or of the classifier; bar by bar, as a live recorder writes them."""
        rows = []
        for place, column in enumerate(self.columns):
            if (place == 5) == numbers:
                continue
            bars = self.changes(column) if changes_only else range(BARS)
            rows += [(bar, place, self.ids[place], column[bar]) for bar in bars]
        rows.sort(key=lambda row: row[:2])
        first = {row[2]: n for n, row in reversed(list(enumerate(rows)))}
        table = {"strategy_id": [row[2] for row in rows]}
        if "idx" in by:
            table["idx"] = [row[0] for row in rows]
        if "ts" in by:
            table["ts"] = self.ts.take([row[0] for row in rows])
        table["val"] = pa.array([row[3] for row in rows], from_pandas=True)
        if config:
            texts = [json.dumps(self.strategies[row[1]]) if first[row[2]] == n else None for n, row in enumerate(rows)]
            table["config"] = pa.array(texts, pa.string())
        return pa.table(table)


SWEEP = Sweep()


def joined(**options):
    """Both kinds in one long table: only a file without types can hold them."""
    numbers, labels = SWEEP.long(True, **options), SWEEP.long(False, **options)
    val = numbers.schema.get_field_index("val")
    return pa.concat_tables([numbers.set_column(val, "val", numbers["val"].cast(pa.string())), labels])


ROADS = {
    "wide": lambda: SWEEP.wide(),
    "wide, idx": lambda: SWEEP.wide(idx=range(BARS)),
    "wide, ts": lambda: SWEEP.wide(ts=SWEEP.ts),
    "wide, timestamp and idx": lambda: SWEEP.wide(timestamp=SWEEP.ts, idx=range(BARS)),
    "wide, changes only": lambda: SWEEP.wide(
        sorted(set().union(*map(SWEEP.changes, SWEEP.columns)) | {0, 6}), idx=range(BARS)
    ),
    "wide, changes only, ts": lambda: SWEEP.wide(sorted(set().union(*map(SWEEP.changes, SWEEP.columns))), ts=SWEEP.ts),
}
LONG_ROADS = {
    "every bar": {},
    "every bar, ts": {"by": "ts"},
    "changes only": {"changes_only": True},
    "changes only, idx and ts": {"changes_only": True, "by": "idx, ts"},
    "changes only, ts": {"changes_only": True, "by": "ts"},
    "changes only, configured": {"changes_only": True, "config": True},
    "every bar, configured, ts": {"config": True, "by": "ts"},
}


def comparable(run):
    """Every byte of a run, but for its name."""
    tree = read_tree(run)
    description = json.loads(tree.pop("run.json"))
    description.pop("run_id")
    description.pop("sha256")  # of run.json, with the run_id in it
    return tree, description


@pytest.fixture(scope="module")
def reference_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    workspace = Workspace(folder, Signalbook(folder))
    return workspace.record(bars=SWEEP.bars, strategies=SWEEP.strategies, signals=SWEEP.wide())


@pytest.fixture(scope="module")
def reference_numbers(tmp_path_factory):
    """The same without the classifier: a long file with types holds either numbers or labels."""
    folder = tmp_path_factory.mktemp("numbers")
    workspace = Workspace(folder, Signalbook(folder))
    wide = SWEEP.wide().drop_columns(["strategy_5"])
    return workspace.record(bars=SWEEP.bars, strategies=SWEEP.strategies[:5], signals=wide)


def test_reference_run_reads_back(reference_run):
    """Without this the comparisons below would only say that all roads are wrong in the same way."""
    assert_series(reference_run, SWEEP.expected())
    rows = {row["strategy_id"]: row for row in read_index(reference_run)}
    assert rows["strategy_1"]["observed_from"] == 37 and rows["strategy_1"]["bar_count"] == BARS
    assert rows["strategy_5"]["kind"] == "classifier" and rows["strategy_5"]["observed_from"] == 5
    for place, column in enumerate(SWEEP.columns):
        row = rows[f"strategy_{place}"]
        trace = read_trace(reference_run, row)
        assert trace["idx"].to_pylist() == SWEEP.changes(column)
        assert row["change_count"] == len(trace) and row["complete"]
        close = SWEEP.bars["close"].take(trace["idx"])
        assert trace["px"].to_pylist() == close.to_pylist()
        assert trace["ts"].to_pylist() == SWEEP.ts.take(trace["idx"]).to_pylist()


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("road", ROADS)
def test_wide_roads_give_the_same_bytes(workspace, reference_run, road, form):
    run = workspace.record(bars=SWEEP.bars, strategies=SWEEP.strategies, signals=ROADS[road](), form=form)
    assert comparable(run) == comparable(reference_run)


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("road", LONG_ROADS)
def test_long_roads_give_the_same_bytes(workspace, reference_run, reference_numbers, road, form):
    options = LONG_ROADS[road]
    signals = joined(**options) if form == "csv" else SWEEP.long(True, **options)
    count = 6 if form == "csv" else 5
    strategies = None if options.get("config") else SWEEP.strategies[:count]
    run = workspace.record(bars=SWEEP.bars, strategies=strategies, signals=signals, form=form)
    assert comparable(run) == comparable(reference_run if form == "csv" else reference_numbers)


def test_bytes_differ_where_the_signals_do(workspace, reference_run):
    """The comparison above can fail."""
    table = SWEEP.wide().to_pydict()
    table["strategy_3"][150] += 1
    run = workspace.record(bars=SWEEP.bars, strategies=SWEEP.strategies, signals=pa.table(table))
    assert comparable(run) != comparable(reference_run)


def test_pieces_of_any_size(workspace, reference_run):
    """Row groups and record batches of seven rows: what was said last lives on between them."""
    table = SWEEP.wide()
    groups = workspace.folder / "groups.parquet"
    pq.write_table(table, groups, row_group_size=7, data_page_size=16)
    batches = workspace.folder / "batches.arrow"
    with pa.ipc.new_file(batches, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    for number, path in enumerate([groups, batches]):
        run = workspace.record(bars=SWEEP.bars, strategies=SWEEP.strategies, signals=path, run=f"run_{number}")
        assert comparable(run) == comparable(reference_run)


def test_compressed_and_encoded_input(workspace, reference_run):
    table = SWEEP.wide()
    for number, options in enumerate(
        [{"compression": "zstd"}, {"compression": "gzip", "use_dictionary": False}, {"data_page_version": "2.0"},
         {"compression": "lz4", "store_schema": False}, {"compression": "brotli"},
         {"use_dictionary": False, "use_byte_stream_split": [f"strategy_{i}" for i in range(5)]}]
    ):  # fmt: skip
        path = workspace.folder / f"signals_{number}.parquet"
        pq.write_table(table, path, **options)
        run = workspace.record(bars=SWEEP.bars, strategies=SWEEP.strategies, signals=path, run=f"run_{number}")
        assert comparable(run) == comparable(reference_run), options
    for compression in ["lz4", "zstd"]:
        path = workspace.folder / f"signals_{compression}.arrow"
        with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table)
        run = workspace.record(bars=SWEEP.bars, strategies=SWEEP.strategies, signals=path, run=f"run_{compression}")
        assert comparable(run) == comparable(reference_run), compression


def test_columns_in_any_order(workspace, reference_run):
    table = SWEEP.wide(idx=range(BARS))
    signals = table.select(table.column_names[::-1])
    run = workspace.record(bars=SWEEP.bars, strategies=SWEEP.strategies, signals=signals)
    assert comparable(run) == comparable(reference_run)


# --- Types of values ---


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("shape", ["wide", "long"])
@pytest.mark.parametrize(
    "kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool"]
)
def test_types_of_numbers(workspace, kind, shape, form):
    limits = {"bool": [0, 1], "float32": [0.1, -3e38, 0, 1], "float64": [0.1, -1e308, 5e-324, 0]}
    info = np.iinfo(kind) if "int" in kind else None
    values = limits.get(kind) or ([info.min, info.max, 0, 1] if info.bits < 64 else [max(info.min, -(2**53)), 2**53, 1])
    column = np.array(values * BARS, dtype=kind)[:BARS]
    late = pa.array(column, mask=np.arange(BARS) < 9)
    if shape == "wide":
        signals = pa.table({"strategy_0": column, "strategy_1": late})
    else:
        ids = ["strategy_0"] * BARS + ["strategy_1"] * BARS
        val = pa.concat_arrays([pa.array(column), late])
        signals = pa.table({"strategy_id": ids, "idx": [*range(BARS)] * 2, "val": val})
    run = workspace.record(strategies=make_strategies(2), signals=signals, form=form)
    dense = column.astype(np.float64)
    assert_series(run, {"strategy_0": dense, "strategy_1": np.where(np.arange(BARS) < 9, np.nan, dense)})


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("shape", ["wide", "wide, with a NULL", "long"])
def test_integers_that_a_double_cannot_hold_are_refused(workspace, shape, form):
    """Never rounded in silence, by whichever road."""
    values = pa.array([None if "NULL" in shape else 1] + [2**53 + 1] * (BARS - 1), pa.int64())
    signals = pa.table({"strategy_0": values})
    if shape == "long":
        signals = pa.table({"strategy_id": ["strategy_0"] * BARS, "idx": range(BARS), "val": values})
    workspace.refuse(2, "strategy_0", 2**53 + 1, strategies=make_strategies(1), signals=signals, form=form)


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrows"])
def test_dictionary_columns(workspace, form):
    """Categories of pandas and polars: ids, labels and numbers."""
    numbers, labels = make_signals(BARS, 1)[:, 0], np.array(["a", "b"])[np.arange(BARS) // 9 % 2]
    wide = pa.table({"n": pa.array(numbers).dictionary_encode(), "l": pa.array(labels).dictionary_encode()})
    strategies = [{"strategy_id": "n", "a": {}}, {"strategy_id": "l", "b": {}}]
    run = workspace.record(strategies=strategies, signals=wide, form=form)
    assert_series(run, {"n": numbers, "l": labels})
    for strategy, values in [("n", numbers), ("l", labels)]:
        long = pa.table(
            {
                "strategy_id": pa.array([strategy] * BARS).dictionary_encode(),
                "idx": range(BARS),
                "val": pa.array(values).dictionary_encode(),
            }
        )
        name = f"run_{strategy}"
        run = workspace.record(strategies=[s for s in strategies if s["strategy_id"] == strategy], signals=long,
                               form=form, run=name)  # fmt: skip
        assert_series(run, {strategy: values})


def test_large_and_view_strings(workspace):
    labels = np.array(["a", "b, a longer label than a view holds"])[np.arange(BARS) // 9 % 2]
    for name, kind in [("large", pa.large_string()), ("view", pa.string_view())]:
        signals = pa.table({"strategy_0": pa.array(labels).cast(kind)})
        run = workspace.record(strategies=make_strategies(1), signals=signals, form="arrow", run=name)
        assert_series(run, {"strategy_0": labels})


def test_negative_zero_is_zero(workspace):
    signals = np.where(np.arange(BARS) % 2, 0.0, -0.0)
    run = workspace.record(strategies=make_strategies(1), signals=pa.table({"strategy_0": signals}))
    (row,) = read_index(run)
    values = read_trace(run, row)["val"].to_numpy()
    assert row["change_count"] == 1 and not np.signbit(values).any()


# --- Missing values ---


@pytest.mark.parametrize("form", SUFFIXES)
def test_null_and_nan_are_one(workspace, form):
    values = make_signals(BARS, 1)[:, 0]
    runs = []
    for name, start in [("null", None), ("nan", NAN)]:
        column = pa.array([start] * 12 + list(values[12:]), pa.float64())
        signals = pa.table({"strategy_0": column, "strategy_1": values})  # a blank line in CSV would be no row
        run = workspace.record(strategies=make_strategies(2), signals=signals, form=form, run=name)
        assert_series(run, {"strategy_0": [NAN] * 12 + list(values[12:]), "strategy_1": values})
        runs.append(comparable(run))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("form", SUFFIXES)
def test_missing_values_flat_or_held(workspace, form):
    given = np.array([NAN, NAN, 1.0, NAN, NAN, -1.0, -1.0, NAN, 0.5, NAN])
    workspace.bars = make_bars(10)
    flat = [NAN, NAN, 1, 0, 0, -1, -1, 0, 0.5, 0]
    hold = [NAN, NAN, 1, 1, 1, -1, -1, -1, 0.5, 0.5]
    wide = pa.table({"strategy_0": given})
    long = pa.table({"strategy_id": ["strategy_0"] * 10, "idx": range(10), "val": given})
    for shape, signals in [("wide", wide), ("long", long)]:
        for meaning, expected in [("flat", flat), ("hold", hold)]:
            run = workspace.record("--na", meaning, strategies=make_strategies(1), signals=signals, form=form,
                                   run=f"{shape}_{meaning}")  # fmt: skip
            assert_series(run, {"strategy_0": expected})


@pytest.mark.parametrize("form", SUFFIXES)
def test_missing_labels_held(workspace, form):
    given = [None, "a", None, None, "b", "b", None, "a", None, None]
    workspace.bars = make_bars(10)
    signals = pa.table({"strategy_0": given, "idx": range(10)})
    run = workspace.record("--na", "hold", strategies=make_strategies(1), signals=signals, form=form)
    assert_series(run, {"strategy_0": [None, "a", "a", "a", "b", "b", "b", "a", "a", "a"]})


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_missing_labels_held_over_a_whole_batch(workspace, shape):
    """A batch in which a classifier says nothing has no kind, and must not be taken for numbers."""
    labels = ["a"] * 7 + ["b"] * 3 + [None] * 10 + ["a"] * (BARS - 20)
    signals = pa.table({"strategy_0": labels, "idx": range(BARS)})
    if shape == "long":
        signals = pa.table({"strategy_id": ["strategy_0"] * BARS, "idx": range(BARS), "val": labels})
    path = workspace.folder / "signals.arrow"
    with pa.ipc.new_file(path, signals.schema) as writer:
        writer.write_table(signals, max_chunksize=10)
    run = workspace.record("--na", "hold", strategies=make_strategies(1), signals=path)
    assert_series(run, {"strategy_0": ["a"] * 7 + ["b"] * 13 + ["a"] * (BARS - 20)})


def test_a_strategy_that_never_speaks(workspace):
    """It is in the index, not complete and without a change; the message says so."""
    signals = pa.table({"strategy_0": np.full(BARS, NAN), "strategy_1": np.ones(BARS)})
    run = workspace.record(strategies=make_strategies(3), signals=signals)
    rows = {row["strategy_id"]: row for row in read_index(run)}
    assert [rows[f"strategy_{i}"]["change_count"] for i in range(3)] == [0, 1, 0]
    assert rows["strategy_2"]["complete"] is False and rows["strategy_2"]["observed_from"] is None
    assert rows["strategy_0"]["first_ts"] is None and len(read_trace(run, rows["strategy_0"])) == 0
    outcome = workspace.attempt(strategies=make_strategies(3), signals=signals, run="run_2")
    assert "strategy_2" in outcome.err and "no signals" in outcome.err


def test_one_bar_and_one_strategy(workspace):
    run = workspace.record(bars=make_bars(1), strategies={"rsi": {}}, signals=pa.table({"strategy_0": [1]}))
    assert_series(run, {"strategy_0": [1.0]})


# --- Several feeds ---


def feeds():
    return {"SPY_5m": make_bars(60, 1), "QQQ_5m": make_bars(80, 2), "SPY_15m": make_bars(40, 3, minutes=15)}


def feed_signals():
    counts = {("SPY", "5m"): 60, ("QQQ", "5m"): 80, ("SPY", "15m"): 40}
    return {(*feed, f"strategy_{i}"): make_signals(count, 2, seed=count)[:, i]
            for feed, count in counts.items() for i in range(2)}  # fmt: skip


@pytest.mark.parametrize("form", SUFFIXES)
def test_several_feeds_in_the_long_form(workspace, form):
    signals = feed_signals()
    rows = [(s, t, i, bar, val) for (s, t, i), values in signals.items() for bar, val in enumerate(values)]
    names = ["symbol", "timeframe", "strategy_id", "idx", "val"]
    table = pa.table(dict(zip(names, map(list, zip(*rows)))))
    run = workspace.record(feeds=feeds(), strategies=make_strategies(2), signals=table, form=form)
    assert_series(run, signals)
    described = json.loads((run / "run.json").read_text())["feeds"]
    assert [(f["symbol"], f["timeframe"], f["bar_count"]) for f in described] == [
        ("SPY", "5m", 60), ("QQQ", "5m", 80), ("SPY", "15m", 40)]  # fmt: skip
    assert len(list((workspace.store / "bars").iterdir())) == 3


@pytest.mark.parametrize("form", SUFFIXES)
def test_several_feeds_in_the_wide_form(workspace, form):
    """The shorter ones end in NULL; by number and by time of the bar."""
    signals = feed_signals()

    def padded(values):
        return pa.array(list(values) + [None] * (80 - len(values)), pa.float64())

    columns = {f"{symbol}_{timeframe}/{i}": padded(v) for (symbol, timeframe, i), v in signals.items()}
    run = workspace.record(feeds=feeds(), strategies=make_strategies(2), signals=pa.table(columns), form=form)
    assert_series(run, signals)
    by_idx = pa.table({"idx": range(80)} | columns)
    run_by_idx = workspace.record(feeds=feeds(), strategies=make_strategies(2), signals=by_idx, form=form, run="run_2")
    assert comparable(run_by_idx) == comparable(run)


def test_feeds_on_one_clock_by_time(workspace):
    """Two symbols with different bars: a row of the wide form is a time, and empty where a symbol has no bar."""
    bars = make_bars(60)
    odd = bars.take(list(range(1, 60, 2)))
    signals = {("A", "5m", "strategy_0"): make_signals(60, 1)[:, 0], ("B", "5m", "strategy_0"): np.arange(30.0)}
    b = pa.array([None if n % 2 == 0 else n // 2 for n in range(60)], pa.float64())
    wide = pa.table(
        {"ts": bars["timestamp"], "A_5m/strategy_0": signals["A", "5m", "strategy_0"], "B_5m/strategy_0": b}
    )
    run = workspace.record(feeds={"A_5m": bars, "B_5m": odd}, strategies=make_strategies(1), signals=wide)
    assert_series(run, signals)


def test_one_feed_by_its_name_in_the_wide_form(workspace):
    values = make_signals(BARS, 1)[:, 0]
    run = workspace.record(strategies=make_strategies(1), signals=pa.table({"SPY_5m/strategy_0": values}))
    assert_series(run, {"strategy_0": values})


def test_underscores_in_a_symbol(workspace):
    """The timeframe is what follows the last one."""
    signals = pa.table({"strategy_0": np.ones(20)})
    run = workspace.record(feeds={"ES_F_2024_1h": make_bars(20)}, strategies=make_strategies(1), signals=signals)
    assert_series(run, {("ES_F_2024", "1h", "strategy_0"): np.ones(20)})


# --- Prices ---


@pytest.mark.parametrize("form", SUFFIXES)
def test_prices(workspace, form):
    """px of a change is what was given, else the close; of a bar without a change it does not matter."""
    signals = pa.table(
        {
            "strategy_id": ["strategy_0"] * 6,
            "idx": [0, 1, 2, 3, 4, 5],
            "val": [1.0, 1.0, 0.0, -1.0, -1.0, 0.5],
            "px": [400.125, 999.0, None, workspace.bars["close"][3].as_py(), None, 0.3],
        }
    )
    run = workspace.record(strategies=make_strategies(1), signals=signals, form=form)
    (row,) = read_index(run)
    trace = read_trace(run, row)
    close = workspace.bars["close"].to_pylist()
    assert trace["idx"].to_pylist() == [0, 2, 3, 5]
    assert trace["px"].to_pylist() == [400.125, close[2], close[3], 0.3]


# --- Strategies ---


def test_ids_that_were_read_as_numbers(workspace):
    """A CSV reader makes 17 of "17", and writes it so."""
    signals = pa.table({"strategy_id": [17] * BARS, "idx": range(BARS), "val": np.ones(BARS)})
    run = workspace.record(strategies=[{"strategy_id": "17", "rsi": {}}], signals=signals)
    assert_series(run, {"17": np.ones(BARS)})


def test_ids_are_given_or_counted(workspace):
    strategies = [{"rsi": {"period": 1}}, {"strategy_id": "mine", "rsi": {"period": 2}}, {"rsi": {"period": 3}}]
    signals = pa.table({name: np.ones(BARS) for name in ["strategy_0", "mine", "strategy_2"]})
    run = workspace.record(strategies=strategies, signals=signals)
    periods = {row["strategy_id"]: row["param_period"] for row in read_index(run)}
    assert periods == {"strategy_0": 1, "mine": 2, "strategy_2": 3}


@pytest.mark.parametrize("name", ["s.json", "s.jsonl", "s.yaml", "s.yml", "s"])
def test_forms_of_the_strategies_file(workspace, reference_run, name):
    texts = {
        "json": json.dumps({"strategies": SWEEP.strategies}),
        "jsonl": "\n".join(map(json.dumps, SWEEP.strategies)),
        "yaml": "strategies:\n" + "".join(f"  - {json.dumps(s)}\n" for s in SWEEP.strategies),
    }
    path = workspace.write(name, texts[{"s.jsonl": "jsonl", "s.json": "json", "s": "jsonl"}.get(name, "yaml")])
    run = workspace.record(bars=SWEEP.bars, strategies=path, signals=SWEEP.wide())
    assert comparable(run) == comparable(reference_run)


# --- Bars ---


def as_text(bars, pattern, zone="UTC"):
    times = [t.as_py().astimezone(zoneinfo.ZoneInfo(zone)) for t in bars["timestamp"]]
    return bars.set_column(0, "timestamp", pa.array([pattern(t) for t in times]))


def cast_time(bars, kind, name="timestamp"):
    return bars.set_column(0, name, bars["timestamp"].cast(kind))


SPELLINGS = {
    "ts": lambda b: b.rename_columns(["ts", *b.column_names[1:]]),
    "capitals": lambda b: b.rename_columns(["Date", "Open", "High", "Low", "Close", "Volume"]),
    "order and others": lambda b: b.select(b.column_names[::-1]).append_column("vwap", pa.array([0.5] * len(b))),
    "seconds": lambda b: cast_time(b, pa.timestamp("s", "UTC")),
    "milliseconds": lambda b: cast_time(b, pa.timestamp("ms", "UTC")),
    "nanoseconds": lambda b: cast_time(b, pa.timestamp("ns", "UTC")),
    "elsewhere": lambda b: cast_time(b, pa.timestamp("us", "America/New_York")),
    "real volume": lambda b: b.set_column(5, "volume", b["volume"].cast(pa.float64())),
    "text": lambda b: as_text(b, lambda t: t.strftime("%Y-%m-%d %H:%M:%S+00:00")),
    "text, Z": lambda b: as_text(b, lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "text, nine digits": lambda b: as_text(b, lambda t: t.strftime("%Y-%m-%d %H:%M:%S.000000000Z")),
    "text, offset": lambda b: as_text(b, lambda t: t.isoformat(), "America/New_York"),
}


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_bars_in_every_spelling_are_the_same_bars(workspace, reference_numbers, spelling, form):
    bars = workspace.write(f"bars.{form}", SPELLINGS[spelling](SWEEP.bars))
    signals = SWEEP.wide().drop_columns(["strategy_5"])
    outcome = workspace.attempt(bars=bars, strategies=SWEEP.strategies[:5], signals=signals)
    assert outcome.code == 0 and not outcome.err, outcome
    assert comparable(workspace.store / "run_1") == comparable(reference_numbers)


def test_bars_without_volume(workspace):
    for name, bars in [
        ("none", workspace.bars.drop_columns(["volume"])),
        ("empty", workspace.bars.set_column(5, "volume", pa.nulls(BARS, pa.float64()))),
    ]:
        run = workspace.record(bars=bars, strategies=make_strategies(1), signals=pa.table({"strategy_0": [1] * BARS}),
                               run=name)  # fmt: skip
        (feed,) = json.loads((run / "run.json").read_text())["feeds"]
        stored = read_parquet(workspace.store / "bars" / f"{feed['data_id']}.parquet")
        assert stored["volume"].null_count == BARS and stored["close"].to_pylist() == bars["close"].to_pylist()
    assert len(list((workspace.store / "bars").iterdir())) == 1


# --- What the run says of itself ---


def test_description(workspace):
    note, version = 'a "note"\nin two lines é', "v1.2-3-gabc"
    run = workspace.record(
        "--tag", "mode=fast", "--tag", "empty=", "--tag", "formula=a=b", "--note", note, "--code-version", version,
        strategies=make_strategies(2), signals=wide_table(make_signals(BARS, 2)),
    )  # fmt: skip
    description = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert description["format_version"] == 1 and description["run_id"] == "run_1"
    assert description["tags"] == {"mode": "fast", "empty": "", "formula": "a=b"}
    assert description["note"] == note and description["code_version"] == version
    assert description["created_at"] == "2023-11-14T22:13:20Z"
    changes = sum(row["change_count"] for row in read_index(run))
    assert description["counts"] == {"strategies": 2, "traces": 2, "changes": changes}
    (feed,) = description["feeds"]
    assert (feed["symbol"], feed["timeframe"], feed["bar_count"]) == ("SPY", "5m", BARS)
    (row,) = workspace.signalbook.query("SELECT note, code_version, tags FROM runs", cwd=workspace.store)
    assert row == {"note": note, "code_version": version, "tags": description["tags"]}


def test_a_run_makes_a_store(workspace):
    run = workspace.record(strategies=make_strategies(1), signals=pa.table({"strategy_0": [1] * BARS}))
    marker = json.loads((run.parent / ".signalbook" / "store.json").read_text())
    assert marker["format_version"] == 1
    assert not [p for p in run.rglob("*") if p.suffix not in (".parquet", ".json") and p.is_file()]


def test_quiet_says_nothing(workspace):
    signals = pa.table({"strategy_0": [1] * BARS})
    assert workspace.attempt("--quiet", strategies=make_strategies(2), signals=signals).raw == b""
    loud = workspace.attempt(strategies=make_strategies(1), signals=signals, run="run_2")
    assert "1 strategy" in loud.out and "run_2" in loud.out
