"""What the tests of the program share: running it, synthetic input, and reading a run back with pyarrow alone."""

import csv
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
EPOCH = 1_700_000_000  # "now", as the program is told: runs of equal input are equal bytes
SUFFIXES = ["csv", "parquet", "arrow", "arrows"]  # as write_table knows them

# A shell's background jobs ignore Ctrl-C, and what they start does as well, which is right and not what is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("SIGNALBOOK_PROGRAM", str(ROOT / "build" / "dev" / "signalbook"))


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self):
        return self.raw.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.raw)


class Signalbook:
    """The program, without a shell and without the caller's store; in a time zone that must not matter."""

    def __init__(self, cwd):
        self.cwd = cwd
        self.program = os.environ["SIGNALBOOK_PROGRAM"]
        self.environment = {k: v for k, v in os.environ.items() if k != "SIGNALBOOK_STORE"}
        self.environment |= {"SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "America/New_York"}

    def __call__(self, *arguments, stdin=b"", cwd=None, env=None, **popen):
        done = subprocess.run(
            [self.program, *(a if isinstance(a, (str, bytes)) else str(a) for a in arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            check=False,
            cwd=cwd or self.cwd,
            env=self.environment | (env or {}),
            **{"timeout": 120} | popen,
        )
        outcome = Outcome(done.returncode, done.stdout, done.stderr.decode("utf-8"))
        # No signal, and none of what a shell or a sanitizer says of one.
        assert 0 <= outcome.code <= 4, (arguments, outcome)
        assert (outcome.code == 0) or outcome.err.strip(), ("a failure without a message", arguments)
        return outcome

    def ok(self, *arguments, **options):
        """A command that must work."""
        outcome = self(*arguments, **options)
        assert outcome.code == 0, (arguments, outcome)
        return outcome

    def query(self, sql, **options):
        """The rows of a query as dictionaries."""
        return self.ok("sql", sql, "--format", "json", "--quiet", **options).json


@pytest.fixture
def signalbook(tmp_path):
    return Signalbook(tmp_path)


@pytest.fixture(scope="session")
def test_data():
    """A folder of real bars and old stores, outside the repository."""
    folder = Path(os.environ.get("SIGNALBOOK_TEST_DATA") or ROOT.parent / "shared")
    if not (folder / "bench").is_dir():
        pytest.skip(f"no further test data: {folder} is not there")
    return folder


# --- Input ---


def make_bars(count=200, seed=1, start="2024-01-02T14:30:00", minutes=5):
    """Bars with a gap in time, prices in cents."""
    r = np.random.default_rng(seed)
    steps = np.where(np.arange(count) == count // 2, 200, 1).cumsum() * minutes * 60_000_000
    ts = np.datetime64(start, "us").astype(np.int64) + steps
    close = np.round(400 + r.normal(0, 0.4, count).cumsum(), 2)
    open_ = np.round(close + r.normal(0, 0.2, count), 2)
    spread = np.round(np.abs(r.normal(0, 0.2, (2, count))), 2)
    return pa.table(
        {
            "timestamp": pa.array(ts, pa.timestamp("us", "UTC")),
            "open": open_,
            "high": np.round(np.maximum(open_, close) + spread[0], 2),
            "low": np.round(np.minimum(open_, close) - spread[1], 2),
            "close": close,
            "volume": r.integers(0, 10_000, count),
        }
    )


def make_signals(bar_count, strategy_count, seed=1, values=(-1.0, 0.0, 1.0)):
    """A dense matrix [bars, strategies] that changes on about one bar in ten."""
    r = np.random.default_rng(seed)
    drawn = r.choice(np.asarray(values, dtype=float), (bar_count, strategy_count))
    drawn[1:][r.random((bar_count - 1, strategy_count)) > 0.15] = np.nan
    row = np.where(np.isnan(drawn), 0, np.arange(bar_count)[:, None])
    return np.take_along_axis(drawn, np.maximum.accumulate(row, axis=0), axis=0)


def make_strategies(count):
    return [{"type": "sma_cross", "parameters": {"fast": 5 + i, "slow": 50.0}} for i in range(count)]


def wide_table(signals, names=None, **first_columns):
    """A row a bar. `signals` is a matrix or a list of columns."""
    columns = list(signals.T) if isinstance(signals, np.ndarray) else signals
    names = names or [f"strategy_{i}" for i in range(len(columns))]
    return pa.table(first_columns | dict(zip(names, columns)))


def write_table(table, path):
    """CSV, Parquet, Arrow IPC file or stream, by the name's ending."""
    suffix = Path(path).suffix
    if suffix == ".csv":
        pa.csv.write_csv(table, path)
    elif suffix == ".parquet":
        pq.write_table(table, path)
    elif suffix == ".arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    elif suffix == ".arrows":
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    else:
        raise ValueError(path)
    return path


# How the traces of a run may lie: what nobody who asks notices.
LAYOUTS = {
    "files": ["--layout", "files"],
    "packed": ["--layout", "packed"],
    "full": ["--layout", "packed", "--columns", "full"],
}


class Workspace:
    """A folder with input files, and runs recorded from them into results/."""

    def __init__(self, folder, signalbook):
        self.folder = folder
        self.signalbook = signalbook
        self.store = folder / "results"
        self.bars = make_bars()
        self.layouts = {}  # run -> a name of LAYOUTS; "" is that of the others

    def write(self, name, content):
        """A table, text, bytes, or something to be written as JSON."""
        path = self.folder / name
        if isinstance(content, pa.Table):
            return write_table(content, path)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def attempt(self, *options, signals, bars=None, strategies=None, run="run_1", symbol="SPY", timeframe="5m",
                feeds=None, form="parquet", **popen):  # fmt: skip
        """Records; input may be content or a path. `feeds` is {"SPY_5m": bars} in place of bars and symbol."""

        def path_of(content, name):
            return content if isinstance(content, Path) else self.write(name, content)

        arguments = ["record", "--run", self.store / run]
        if feeds is None:
            bars = self.bars if bars is None else bars
            arguments += ["--bars", path_of(bars, "bars.parquet"), "--symbol", symbol, "--timeframe", timeframe]
        for number, (name, content) in enumerate((feeds or {}).items()):
            arguments += ["--feed", f"{name}={path_of(content, f'bars_{number}.parquet')}"]
        if strategies is not None:
            arguments += ["--strategies", path_of(strategies, "strategies.json")]
        arguments += ["--signals", path_of(signals, f"signals.{form}"), *self.layout_options(run)]
        return self.signalbook(*arguments, *options, **popen)

    def layout_options(self, run):
        return LAYOUTS[self.layouts.get(run, self.layouts.get("", "files"))]

    def record(self, *options, **content):
        """Records what must be accepted; returns the run's directory."""
        outcome = self.attempt(*options, **content)
        assert outcome.code == 0, outcome
        return self.store / content.get("run", "run_1")

    def refuse(self, status, *words, options=(), **content):
        """Records what must be refused: the status, words of the message, and no run left behind."""
        before = read_tree(self.store)
        outcome = self.attempt(*options, **content)
        assert outcome.code == status, outcome
        assert outcome.err.startswith("signalbook: ") and not outcome.raw, outcome
        missing = [word for word in words if str(word) not in outcome.err]
        assert not missing, (missing, outcome.err)
        assert read_tree(self.store) == before, "something was left behind"
        assert (self.store / content.get("run", "run_1")).exists() == bool(before), "a run directory was left behind"
        return outcome.err


@pytest.fixture
def workspace(tmp_path, signalbook):
    return Workspace(tmp_path, signalbook)


# --- Reading back, with stock readers ---


def read_tree(folder):
    """Every file below: relative path -> bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def read_parquet(path):
    return pq.ParquetFile(path, page_checksum_verification=True).read()


def read_index(run):
    return read_parquet(run / "strategy_index.parquet").to_pylist()


def read_trace(run, row):
    """The changes of one row of the index, as a table."""
    return read_parquet(run / row["trace_path"])


def stretch(idx, val, bar_count):
    """Changes as a value a bar; before the first one NaN, or None for labels."""
    idx = np.asarray(idx, dtype=np.int64)
    val = np.asarray(val, dtype=object if len(val) and isinstance(val[0], str) else np.float64)
    place = np.searchsorted(idx, np.arange(bar_count), side="right") - 1
    missing = None if val.dtype == object else np.nan
    return np.concatenate([[missing], val]).astype(val.dtype)[place + 1]


def read_series(run):
    """What every strategy said on every bar: (symbol, timeframe, strategy_id) -> array."""
    series = {}
    for row in read_index(run):
        table = read_trace(run, row)
        dense = stretch(table["idx"].to_numpy(), table["val"].to_pylist(), row["bar_count"])
        for strategy_id in [row["strategy_id"], *row["aliases"]]:
            series[row["symbol"], row["timeframe"], strategy_id] = dense
    return series


def assert_series(run, expected):
    """`expected`: strategy_id (on SPY 5m) or (symbol, timeframe, strategy_id) -> the values that went in."""
    expected = {k if isinstance(k, tuple) else ("SPY", "5m", k): v for k, v in expected.items()}
    actual = read_series(run)
    assert actual.keys() == expected.keys()
    for key, values in expected.items():
        if actual[key].dtype == object:
            assert list(actual[key]) == list(values), key
        else:
            np.testing.assert_array_equal(actual[key], np.asarray(values, dtype=np.float64), err_msg=str(key))


def parse_csv(text):
    return list(csv.DictReader(text.splitlines()))


# --- Stores to ask, for tests/sql and docs/sql.md ---


def record_sql_store(folder, layouts=None):
    """Three runs in results/: two sweeps of the same strategies, one with a second feed, and classifiers."""
    workspace = Workspace(folder, Signalbook(folder))
    workspace.layouts = layouts or {}
    bollinger = [
        {"bollinger_bands": {"period": period, "std_dev": std_dev}, "constraints": "intraday"}
        for period, std_dev in [(20, 2.0), (25, 2.5)]
    ] + [{"bollinger_bands": {"period": 20, "std_dev": 2.5}}]
    crossover = {"type": "ma_crossover", "parameters": {"fast": 10, "slow": 30}}
    ensemble = {
        "strategy": [
            {"sma_crossover": {"fast_period": 15, "slow_period": 50, "weight": 0.4}},
            {"bollinger_bands": {"period": 20, "std_dev": 2.0, "weight": 0.6}},
            {"threshold": "0.5 AND volume > sma(volume, 20) AND market_hours() == 'regular'"},
        ]
    }
    bars, other_bars = make_bars(40), make_bars(30, seed=2)
    workspace.record(
        "--code-version", "3f2a91c",
        bars=bars, strategies=[*bollinger, crossover, ensemble], signals=wide_table(make_signals(40, 5, seed=3)),
    )  # fmt: skip
    signals = make_signals(30, 2, seed=4)
    rows = [
        (symbol, "5m", f"strategy_{column}", bar, signals[bar, column] * sign)
        for symbol, sign in [("SPY", 1.0), ("QQQ", -1.0)]
        for column in range(2)
        for bar in range(30)
    ]
    names = ["symbol", "timeframe", "strategy_id", "idx", "val"]
    workspace.record(
        run="run_2", feeds={"SPY_5m": other_bars, "QQQ_5m": make_bars(30, seed=5)}, strategies=[bollinger[0], crossover],
        signals=pa.table(dict(zip(names, map(list, zip(*rows))))),
    )  # fmt: skip
    labels = [["calm"] * 12 + ["wild"] * 20 + ["calm"] * 8]
    regime = {"type": "volatility_regime", "parameters": {"period": 20}}
    workspace.record(run="regimes", bars=bars, strategies=[regime], signals=wide_table(labels))
    return folder / "results"


def add_scored_run(store):
    """A run of other origin, without run.json, as the specification shows one after analysis."""
    rows = [
        ("strategy_0", "a3f4b2c1d5e6", "bollinger_bands", 20.0, 2.0, 1.75, "traces/SPY_5m/signals/bollinger_bands/x.parquet"),
        ("strategy_1", "b7e8f9a0c1d2", "bollinger_bands", 25.0, 2.5, 0.89, "traces/SPY_5m/signals/bollinger_bands/y.parquet"),
        ("strategy_2", "39a6426ec117", "bollinger_bands", 20.0, 2.0, 2.1, "traces/SPY_5m/signals/bollinger_bands/z.parquet"),
    ]  # fmt: skip
    names = [
        "strategy_id",
        "strategy_hash",
        "strategy_type",
        "param_period",
        "param_std_dev",
        "sharpe_ratio",
        "trace_path",
    ]
    run = store / "scored"
    for number, row in enumerate(rows):
        path = run / row[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        trace = {
            "idx": [0, 45 + number],
            "ts": pa.array([1704119400000000, 1704132900000000], pa.timestamp("us", "UTC")),
            "sym": ["SPY", "SPY"],
            "val": [1, 0],
            "strat": [row[0]] * 2,
            "px": [470.5, 471.25],
            "strategy_hash": [row[1]] * 2,
            "metadata": ['{"type": "bollinger_bands"}', None],
        }
        pq.write_table(pa.table(trace), path)
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows))))), run / "strategy_index.parquet")


def record_composites(folder, layouts=None):
    """Strategies made of strategies, three levels deep, in two runs; and one of the leaves alone."""
    leaf = {"bollinger_bands": {"period": 20, "std_dev": 2.0}}
    deep = {
        "strategy": [
            {
                "weight": 0.6,
                "threshold": "0.3 AND adx(14) > 25",
                "strategy": [
                    {
                        "weight": 0.5,
                        "strategy": [{**leaf, "weight": 0.25}, {"momentum": {"period": 14}, "weight": 0.75}],
                    },
                    {"rsi_extreme": {"period": 14, "oversold": 30, "weight": 0.5}},
                ],
            },
            {"ma_crossover": {"fast": 10, "slow": 30, "weight": 0.4}},
        ]
    }
    uneven = {
        "strategy": [{"momentum": {"period": 14, "weight": 0.5}}, {"bollinger_bands": {"period": 20, "weight": 0.4}}]
    }
    conditional = {
        "strategy": {
            "conditional": {
                "if": "adx(14) > 25",
                "if_true": {"weighted": {"strategies": [{"weight": 1.0, "strategy": {"momentum": {"period": 14}}}]}},
            }
        }
    }
    workspace = Workspace(folder, Signalbook(folder))
    workspace.layouts = layouts or {}
    workspace.record(strategies=[deep, uneven, leaf], signals=wide_table(make_signals(200, 3)))
    workspace.record(run="run_2", strategies=[conditional, deep], signals=wide_table(make_signals(200, 2)))


STORE_LAYOUTS = {
    "files": {},
    "packed": {"": "packed"},
    "full": {"": "full"},
    "mixed": {"": "packed", "run_1": "files", "regimes": "full"},
}


# The mixed store has every layout in it; whole stores of one take three minutes more.
TESTED_LAYOUTS = STORE_LAYOUTS if os.environ.get("SIGNALBOOK_LONG_TESTS") else ("files", "mixed")


@pytest.fixture(scope="session", params=TESTED_LAYOUTS)
def sql_stores(request, tmp_path_factory):
    """Folders with results/: `plain`; `scored` with a run that has Sharpe ratios; `composites`. In every layout."""
    layouts = STORE_LAYOUTS[request.param]
    stores = {name: tmp_path_factory.mktemp(name) for name in ("plain", "scored", "composites")}
    record_sql_store(stores["plain"], layouts)
    record_sql_store(stores["scored"], layouts)
    record_composites(stores["composites"], layouts)
    add_scored_run(stores["scored"] / "results")
    return stores
