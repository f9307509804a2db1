"""Real bars, a real sweep of 27.2 million signals and real old stores: where the further test data is there."""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from conftest import (
    Signalbook,
    Workspace,
    make_signals,
    make_strategies,
    read_index,
    read_parquet,
    read_trace,
    stretch,
)

BARS, PERIODS, TENTHS = 16_614, range(10, 51), range(5, 45)
CHANGES = 1_253_652


def bollinger_signals(close):
    """The sweep G1640, bar by bar for all strategies at once, exact integers; the formula is of bench/workload.py."""
    c = np.round(np.asarray(close) * 10_000).astype(np.int64)
    c -= c[0]
    total, square = (np.concatenate([[0], np.cumsum(v)]) for v in (c, c * c))
    tenths = np.array(TENTHS, dtype=np.int64)
    outside = np.zeros((len(c), len(PERIODS), len(tenths)), dtype=bool)
    side = np.zeros((len(c), len(PERIODS), 1), dtype=np.int8)
    for p, n in enumerate(PERIODS):
        s, q = total[n:] - total[:-n], square[n:] - square[:-n]
        d = c[n - 1 :] * n - s
        outside[n - 1 :, p] = (10 * d[:, None]) ** 2 > tenths**2 * (n * q - s * s)[:, None]
        side[n - 1 :, p, 0] = np.sign(d)
    out = np.zeros(outside.shape, dtype=np.int8)
    state = out[0]
    for i in range(len(c)):
        # Outside a band: against the move. Inside: a position ends once the close reaches the middle's far side.
        state = np.where(outside[i], -side[i], np.where(state * side[i] > 0, 0, state * (side[i] != 0)))
        if i < PERIODS[-1]:
            state[[p for p, n in enumerate(PERIODS) if i < n - 1]] = 0
        out[i] = state
    return out.reshape(len(c), -1)


@pytest.fixture(scope="module")
def sweep(test_data, tmp_path_factory):
    """The run, the matrix that went in, and the workspace around them."""
    folder = tmp_path_factory.mktemp("g1640")
    workspace = Workspace(folder, Signalbook(folder))
    workspace.bars = pa.csv.read_csv(test_data / "bench" / ".." / "data" / "bars" / "SPY_5m.csv").slice(0, BARS)
    signals = bollinger_signals(workspace.bars["close"].to_numpy())
    (stated,) = re.findall(r"`([0-9a-f]{64})`", (test_data / "bench" / "README.md").read_text())
    assert hashlib.sha256(signals.tobytes()).hexdigest() == stated, "this is not the sweep that was meant"
    strategies = [{"type": "bollinger_bands", "parameters": {"period": p, "std_dev": t / 10}}
                  for p in PERIODS for t in TENTHS]  # fmt: skip
    table = pa.table({f"strategy_{i}": signals[:, i] for i in range(signals.shape[1])})
    run = workspace.record(strategies=strategies, signals=table)
    return workspace, run, signals


def test_the_sweep_reads_back(sweep):
    """All 1,640 dense series, from the files with pyarrow alone."""
    _, run, signals = sweep
    rows = read_index(run)
    assert len(rows) == signals.shape[1] == 1640
    places = set()
    for row in rows:
        trace = pq.ParquetFile(run / row["trace_path"]).read(columns=["idx", "val"])
        place = int(row["strategy_id"].removeprefix("strategy_"))
        dense = stretch(trace["idx"].to_numpy(), trace["val"].to_numpy(), row["bar_count"])
        assert np.array_equal(dense, signals[:, place]), place
        assert (row["param_period"], row["param_std_dev"]) == (10 + place // 40, (5 + place % 40) / 10)
        places.add(place)
    assert len(places) == 1640


def test_the_sweep_has_as_many_changes_as_stated(sweep):
    workspace, run, signals = sweep
    assert 1640 + int((signals[1:] != signals[:-1]).sum()) == CHANGES
    rows = read_index(run)
    assert sum(row["change_count"] for row in rows) == CHANGES
    assert json.loads((run / "run.json").read_text())["counts"]["changes"] == CHANGES
    counts = sorted(row["change_count"] for row in rows)
    assert (counts[0], counts[-1], (counts[819] + counts[820]) / 2) == (1, 3306, 563)
    (row,) = workspace.signalbook.query("SELECT count(*) AS n, count(DISTINCT strat) AS s FROM traces", cwd=run)
    assert row == {"n": CHANGES, "s": 1640}


def test_the_sweep_by_parameters(sweep):
    workspace, run, _ = sweep
    query = "SELECT strategy_id FROM strategy_index.parquet WHERE period = 20 AND std_dev = 2.0"
    rows = workspace.signalbook.query(query, cwd=workspace.store)
    assert rows == [{"strategy_id": f"strategy_{10 * 40 + 15}"}]
    listed = workspace.signalbook.ok("list", "--param", "std_dev=0.8", "--format", "json", cwd=run).json
    assert {row["period"] for row in listed} == set(PERIODS) and len(listed) == 41
    hashed = workspace.signalbook.ok("hash", "-", stdin='bollinger_bands: {period: 20, std_dev: "range(2.0,2.0,0.1)"}')
    (shown,) = workspace.signalbook.ok("show", hashed.out.strip(), "--format", "json", cwd=run).json
    assert shown["strategy_id"] == "strategy_415"


def test_prices_and_times_of_the_sweep(sweep):
    workspace, run, _ = sweep
    for row in read_index(run)[::200]:
        trace = read_trace(run, row)
        assert trace["px"].equals(workspace.bars["close"].take(trace["idx"]))
        assert (
            trace["ts"]
            .cast(pa.int64())
            .equals(workspace.bars["timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).take(trace["idx"]))
        )


@pytest.mark.parametrize(
    ("name", "timeframe", "count"), [("SPY_1m.parquet", "1m", 102_236), ("SPY_15m.csv", "15m", 7_093)]
)
def test_real_bars(tmp_path, signalbook, test_data, name, timeframe, count):
    """As they came: other column names, a number of the bar beside the time."""
    workspace = Workspace(tmp_path, signalbook)
    path = test_data / "data" / "bars" / name
    signals = make_signals(count, 1)[:, 0]
    outcome = workspace.attempt(bars=path, timeframe=timeframe, strategies=make_strategies(1),
                                signals=pa.table({"strategy_0": signals}))  # fmt: skip
    assert outcome.code == 0 and outcome.err == "", outcome
    run = workspace.store / "run_1"
    (row,) = read_index(run)
    given = pq.read_table(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)
    stored = read_parquet(workspace.store / "bars" / f"{row['data_id']}.parquet")
    for column in ("open", "high", "low", "close", "volume"):
        assert stored[column].equals(given[column].cast(pa.float64())), column
    assert stored["ts"].equals(given["timestamp"].cast(pa.timestamp("us", "UTC")))
    trace = read_trace(run, row)
    assert np.array_equal(stretch(trace["idx"].to_numpy(), trace["val"].to_numpy(), count), signals)


def legacy_rows(path):
    """Changes of an old file as pyarrow reads them: idx and val, numbers as doubles."""
    table = pq.ParquetFile(path).read()
    val = table["val"].to_pylist()
    return list(zip(table["idx"].to_pylist(), val if val and isinstance(val[0], str) else map(float, val)))


def test_old_stores_are_readable(test_data, signalbook):
    """Every trace of every old workspace, number by number."""
    files = sorted((test_data / "data" / "legacy" / "workspaces").glob("**/traces/**/*.parquet"))
    assert len(files) > 400

    def check(path):
        outcome = signalbook("trace", path, "--format", "json")
        if outcome.code != 0:
            return f"{path}: {outcome.err}"
        same = [(row["idx"], row["val"]) for row in outcome.json] == legacy_rows(path)
        return None if same else f"{path}: other changes than in the file"

    with ThreadPoolExecutor(2) as pool:
        wrong = [message for message in pool.map(check, files) if message]
    assert not wrong, f"{len(wrong)} of {len(files)}: {wrong[:5]}"
