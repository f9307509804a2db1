"""Makes the workloads, each in a folder of its own: the same bytes on every machine, checked by their digests.

    python -m suite.workloads FOLDER NAME SCALE [--bars FILE.csv]

Prices are a walk in whole cents, drawn by integers alone, and bands are compared in exact integers, so that no rounding
of a machine can make other signals. Needs numpy and pyarrow.

A folder holds what contestants are given:
  closes.npy, timestamps.npy (int64, microseconds), bars.parquet
  configs.jsonl    a configuration a line; strategy n has the id strategy_<n>
  hashes.txt       their strategy_hash, a line each; chosen.txt: some of them, to look up
and its signals, either dense or as changes:
  signals.npy      int8 [bars, strategies]; signals.parquet: the same, a column a strategy
  idx.npy, val.npy int32 and int8 [strategies, changes]; signals.parquet: the same, a row a change
  done.json        sizes and the digest of the signals
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from suite.scales import SCALES, Dense, ManyRuns, Sparse

START, FIVE_MINUTES = 1_704_205_800_000_000, 300_000_000
# Each strategy type and its parameters; the first four tell one strategy from another.
TYPES = {
    "bollinger_bands": ["period", "std_dev", "exit_threshold", "atr_stop"],
    "rsi_bands": ["rsi_period", "oversold", "overbought", "atr_stop", "max_hold"],
    "ma_crossover": ["fast_period", "slow_period", "band", "atr_stop", "max_hold", "ma_kind"],
    "keltner_bands": ["period", "multiplier", "atr_period", "exit_threshold", "atr_stop", "max_hold", "cooldown"],
    "macd_trend": ["macd_fast", "macd_slow", "macd_signal", "hist_min", "trend_period", "atr_stop", "max_hold"],
}
WHOLE = {"period", "rsi_period", "fast_period", "slow_period", "atr_period", "trend_period", "max_hold", "cooldown",
         "ma_kind", "macd_fast", "macd_slow", "macd_signal"}  # fmt: skip
VALUES = 200  # of each parameter
ROWS_AT_A_TIME = 1_000_000

# Of what digest_of_all() covers, on bars that are made here; given ones are taken as they are.
DIGESTS = json.loads(Path(__file__).with_name("digests.json").read_text())


def walk(bars, cents_a_bar, seed):
    """Closes in whole cents around 470: each bar moves by a sum of six draws, which is nearly normal."""
    draws = np.random.default_rng(seed).integers(-cents_a_bar, cents_a_bar + 1, (bars, 6))
    cents = 47_000 + np.cumsum(draws.sum(axis=1)) // 2
    return np.maximum(cents, 1_000) / 100


def read_bars(path, count):
    """Closes and times of a CSV file with the columns timestamp and close."""
    table = pyarrow.csv.read_csv(path).slice(0, count)
    times = pc.cast(pc.cast(table["timestamp"], pa.timestamp("us", tz="UTC")), pa.int64())
    return table["close"].to_numpy(), times.to_numpy()


def bollinger_sweep(close, periods, tenths):
    """Mean reversion at Bollinger bands, a column a strategy. A close c lies more than k deviations from the mean of n
    bars when (n c - S)^2 > k^2 (n Q - S^2), with S and Q the sums of the closes and of their squares."""
    ticks = np.round(close * 10_000).astype(np.int64)
    ticks -= ticks[0]  # keeps the products small
    sums = np.concatenate([[0], np.cumsum(ticks)])
    squares = np.concatenate([[0], np.cumsum(ticks * ticks)])
    widths = np.array(tenths, dtype=np.int64)
    signals = np.zeros((len(ticks), len(periods) * len(widths)), dtype=np.int8)
    for number, n in enumerate(periods):
        s, q = sums[n:] - sums[:-n], squares[n:] - squares[:-n]
        distance = ticks[n - 1 :] * n - s
        is_outside = 100 * distance[:, None] ** 2 > widths[None, :] ** 2 * (n * q - s * s)[:, None]
        held = np.zeros(len(widths), dtype=np.int8)
        block = signals[n - 1 :, number * len(widths) : (number + 1) * len(widths)]
        for bar, side in enumerate(np.sign(distance).astype(np.int8)):
            held = np.where(held * side >= 0, 0, held)  # back at the middle
            held = np.where(is_outside[bar], -side, held).astype(np.int8)
            block[bar] = held
    return signals


def random_changes(strategies, changes, bars, seed):
    """Bars of the changes, distinct and rising, the first one 0; values of {-1, 0, 1}, never the same again."""
    rng = np.random.default_rng(seed)
    # Sorted draws that may be equal become distinct when the k-th is moved by k.
    later = np.sort(rng.integers(0, bars - changes + 1, (strategies, changes - 1), dtype=np.int32), axis=1)
    idx = np.zeros((strategies, changes), dtype=np.int32)
    idx[:, 1:] = later + np.arange(1, changes, dtype=np.int32)
    steps = rng.integers(1, 3, idx.shape, dtype=np.int8)
    return idx, (np.cumsum(steps, axis=1, dtype=np.int32) % 3 - 1).astype(np.int8)


def draw(name, number):
    """The value of a parameter by its number of 0 to 199: a number of bars, or a factor in steps of 0.05."""
    return number + 2 if name in WHOLE else (number + 1) / 20


def mixed_config(n):
    """The n-th of many strategies of all types, no two alike: the first four parameters are digits of a number that
    goes through all numbers of four digits."""
    kind, names = list(TYPES.items())[n % len(TYPES)]
    code = (n // len(TYPES) * 736_878_787 + 20_240_327) % VALUES**4
    parameters = {}
    for name in names:
        parameters[name] = draw(name, code % VALUES)
        code = code // VALUES or n * 7_919 + len(parameters)  # those behind the fourth may be any
    return {"type": kind, "parameters": parameters}


def grid_config(n):
    """The n-th of a sweep of two parameters."""
    parameters = {"period": 5 + n % 200, "std_dev": (50 + n // 200) / 100, "exit_threshold": 0.001, "atr_stop": 2.5}
    return {"type": "bollinger_bands", "parameters": parameters}


def write_common(folder, close, times, configs):
    np.save(folder / "closes.npy", close)
    np.save(folder / "timestamps.npy", times)
    columns = dict.fromkeys(("open", "high", "low", "close"), close)
    columns = {"timestamp": pa.array(times, pa.timestamp("us", tz="UTC"))} | columns
    pq.write_table(pa.table(columns), folder / "bars.parquet")
    # Canonical texts, so that their digest is the strategy_hash.
    texts = [json.dumps(config, sort_keys=True, separators=(",", ":")) for config in configs]
    (folder / "configs.jsonl").write_text("\n".join(texts) + "\n")
    hashes = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in texts]
    (folder / "hashes.txt").write_text("\n".join(hashes) + "\n")
    chosen = np.random.default_rng(5).permutation(len(hashes))[:1_000]
    (folder / "chosen.txt").write_text("\n".join(hashes[i] for i in chosen) + "\n")
    (folder / "chosen_100.txt").write_text("\n".join(hashes[i] for i in chosen[:100]) + "\n")
    return texts


def make_dense(folder, size, bars_csv):
    if bars_csv:
        close, times = read_bars(bars_csv, size.bars)
    else:
        close, times = walk(size.bars, 40, 1), START + np.arange(size.bars) * FIVE_MINUTES
    signals = bollinger_sweep(close, size.periods, size.tenths)
    configs = [
        {"type": "bollinger_bands", "parameters": {"period": period, "std_dev": tenth / 10}}
        for period in size.periods
        for tenth in size.tenths
    ]
    write_common(folder, close, times, configs)
    np.save(folder / "signals.npy", signals)
    columns = {f"strategy_{i}": column for i, column in enumerate(np.ascontiguousarray(signals.T))}
    pq.write_table(pa.table(columns), folder / "signals.parquet")
    changes = int((signals[1:] != signals[:-1]).sum()) + signals.shape[1]
    digest = hashlib.sha256(signals.tobytes()).hexdigest()
    return {"strategies": signals.shape[1], "bars": len(close), "changes": changes, "sha256": digest,
            "bars_of": Path(bars_csv).name if bars_csv else "made up"}  # fmt: skip


def write_long(path, idx, val, texts):
    """A row a change, the configuration on each strategy's first row."""
    schema = pa.schema({"strategy_id": pa.string(), "idx": pa.int32(), "val": pa.int8(), "config": pa.string()})
    step = max(1, ROWS_AT_A_TIME // idx.shape[1])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, len(texts), step):
            last = min(first + step, len(texts))
            strategy = np.repeat(np.arange(last - first), idx.shape[1])
            is_first = np.tile(np.arange(idx.shape[1]) == 0, last - first)
            columns = [
                pa.array([f"strategy_{n}" for n in range(first, last)]).take(pa.array(strategy)),
                pa.array(idx[first:last].ravel()),
                pa.array(val[first:last].ravel()),
                pa.array(texts[first:last]).take(pa.array(strategy, mask=~is_first)),
            ]
            writer.write_table(pa.table(columns, schema=schema))


def make_sparse(folder, size):
    close, times = walk(size.bars, 20, 2), START + np.arange(size.bars) * FIVE_MINUTES
    make_config = mixed_config if size.mixed else grid_config
    texts = write_common(folder, close, times, [make_config(n) for n in range(size.strategies)])
    idx, val = random_changes(size.strategies, size.changes, size.bars, size.seed)
    np.save(folder / "idx.npy", idx)
    np.save(folder / "val.npy", val)
    write_long(folder / "signals.parquet", idx, val, texts)
    digest = hashlib.sha256(idx.tobytes() + val.tobytes()).hexdigest()
    return {"strategies": size.strategies, "bars": size.bars, "changes": idx.size, "sha256": digest,
            "bars_of": "made up"}  # fmt: skip


def make_many_runs(folder, size):
    """One file of signals a run; 15% of the strategies of a run are those of the one before."""
    close, times = walk(size.bars, 40, 1), START + np.arange(size.bars) * FIVE_MINUTES
    step = size.strategies - size.strategies * 15 // 100
    texts = write_common(
        folder, close, times, [mixed_config(n) for n in range(step * size.points[-1] + size.strategies)]
    )
    digest = hashlib.sha256()
    for run in range(size.points[-1]):
        idx, val = random_changes(size.strategies, size.changes, size.bars, [size.seed, run])
        digest.update(idx.tobytes() + val.tobytes())
        write_long(folder / f"signals-{run:04d}.parquet", idx, val, texts[run * step : run * step + size.strategies])
    return {"strategies": size.strategies, "bars": size.bars, "runs": size.points[-1], "sha256": digest.hexdigest()}


def digest_of_all(folder, signals):
    """Signals, bars and configurations."""
    digest = hashlib.sha256(signals.encode())
    for name in ("closes.npy", "timestamps.npy", "configs.jsonl"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("scale", choices=SCALES)
    parser.add_argument("--bars", help="a CSV file")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    size = SCALES[args.scale][args.name]
    make = {Dense: make_dense, Sparse: make_sparse, ManyRuns: make_many_runs}[type(size)]
    done = make(args.folder, size, args.bars) if isinstance(size, Dense) else make(args.folder, size)
    expected, got = DIGESTS[args.scale].get(args.name), digest_of_all(args.folder, done["sha256"])
    if not (args.bars and isinstance(size, Dense)) and got != expected:
        sys.exit(
            f"{args.name} ({args.scale}): digest {got} in place of {expected}: another numpy may draw other numbers"
        )
    (args.folder / "done.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main()
