"""polars."""

import numpy as np
import polars as pl
from common import (
    again,
    by_hash,
    change_mask,
    dense_of,
    index_of,
    main,
    read_dense,
    timed,
    written,
)


def bars_frame(w):
    ts = pl.Series(w.timestamps).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame({"idx": np.arange(len(w.closes), dtype=np.int32), "ts": ts, "px": w.closes})


def store_files(w, out, _):
    """A filter against the row before, and a file a strategy."""
    signals, hashes, configs = w.signals, w.hashes, w.configs
    bars = bars_frame(w)

    def write():
        for n in range(signals.shape[1]):
            frame = bars.with_columns(val=pl.Series(signals[:, n]))
            frame = frame.filter(pl.col("val").ne_missing(pl.col("val").shift(1))).with_columns(
                sym=pl.lit("SPY"),
                strat=pl.lit(f"strategy_{n}"),
                strategy_hash=pl.lit(hashes[n]),
                metadata=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(configs[n])),
            )
            frame.write_parquet(out / f"{hashes[n]}.parquet")

    return written(write, change_mask(signals).sum(), signals.shape[1])


def read_files(w, _, store):
    bars, hashes = len(w.closes), w.hashes

    def read():
        frame = pl.scan_parquet(f"{store}/*.parquet").select("strategy_hash", "idx", "val").collect()
        traces = frame.group_by("strategy_hash", maintain_order=True).agg("idx", "val")
        return dense_of(
            ((digest, idx.to_numpy(), val.to_numpy()) for digest, idx, val in traces.iter_rows_series())
            if hasattr(traces, "iter_rows_series")
            else ((d, np.array(i), np.array(v)) for d, i, v in traces.iter_rows()),
            bars, hashes,
        )  # fmt: skip

    return read_dense(read)


def store_many_packed(w, out, _):
    idx, val, hashes, configs = w.idx, w.val, w.hashes, w.configs
    count, changes = idx.shape
    bars = bars_frame(w)

    def write():
        who = np.repeat(np.arange(count, dtype=np.int32), changes)
        long = pl.DataFrame({"s": who, "idx": idx.ravel(), "val": val.ravel(),
                             "is_first": np.tile(np.arange(changes) == 0, count)})  # fmt: skip
        strategies = pl.DataFrame({"s": np.arange(count, dtype=np.int32), "strategy_hash": hashes,
                                   "strat": w.names(count), "config": configs})  # fmt: skip
        frame = long.join(strategies, on="s").join(bars, on="idx").sort("strategy_hash", "idx")
        frame = frame.select(
            "idx", "ts", pl.lit("SPY").alias("sym"), "val", "strat", "px", "strategy_hash",
            pl.when("is_first").then("config").alias("metadata"),
        )  # fmt: skip
        frame.write_parquet(out / "packed.parquet")

    return written(write, idx.size, count)


def trace_packed(w, _, store):
    scan = pl.scan_parquet(store / "packed.parquet")
    return by_hash(
        lambda h: scan.filter(pl.col("strategy_hash") == h).collect()["idx"].to_numpy(), w.lines("chosen_100.txt")
    )


def join_packed(w, _, store):
    chosen = pl.LazyFrame({"strategy_hash": w.lines("chosen.txt")})

    def ask():
        got = pl.scan_parquet(store / "packed.parquet").join(chosen, on="strategy_hash", how="semi").collect()
        return {"rows": got.height, "value": int(got["idx"].cast(pl.Int64).sum())}

    return again(ask)


def count_packed(_, __, store):
    return again(lambda: {"value": pl.scan_parquet(store / "packed.parquet").select(pl.len()).collect().item()})


WANTED = ["strategy_id", "strategy_hash", "sharpe_ratio"]


def find_param(_, __, store):
    wanted = (
        (pl.col("strategy_type") == "bollinger_bands")
        & (pl.col("param_period") == 20)
        & (pl.col("param_std_dev") == 2.0)
    )
    return again(lambda: {"rows": pl.scan_parquet(index_of(store)).filter(wanted).select(WANTED).collect().height})


def find_best(_, __, store):
    def ask():
        return pl.scan_parquet(index_of(store)).select(WANTED).top_k(20, by="sharpe_ratio").collect()

    return again(lambda: {"rows": ask().height})


def find_hash(w, _, store):
    hashes = iter(w.lines("chosen_100.txt"))

    def ask():
        return pl.scan_parquet(index_of(store)).filter(pl.col("strategy_hash") == next(hashes)).collect()

    return again(lambda: {"rows": ask().height})


def runs_of_hashes(_, __, store):
    def ask():
        counted = pl.scan_parquet(f"{store}/*/strategy_index.parquet").group_by("strategy_hash").len()
        return counted.filter(pl.col("len") > 1).collect()

    return again(lambda: {"rows": ask().height})


def metrics(w, _, store):
    """Total return, Sharpe ratio, drawdown, trades and win rate from files of traces, changes exploded to bars."""
    closes = w.closes

    def figures():
        n = len(closes) - 1
        bars = pl.LazyFrame({"bar": np.arange(1, n + 1), "move": closes[1:] / closes[:-1] - 1})
        changes = pl.scan_parquet(f"{store}/*.parquet").select("strat", pl.col("idx").cast(pl.Int64), "val")
        stretches = changes.with_columns(end=pl.col("idx").shift(-1, fill_value=n).over("strat"))
        held = stretches.filter((pl.col("val") != 0) & (pl.col("end") > pl.col("idx")))
        by_bar = (
            held.with_columns(bar=pl.int_ranges(pl.col("idx") + 1, pl.col("end") + 1))
            .explode("bar")
            .join(bars, on="bar", how="left", maintain_order="left")
            .select("strat", "idx", earned=pl.col("val") * pl.col("move"))
            .with_columns(equity=(1 + pl.col("earned")).cum_prod().over("strat"))
            .with_columns(peak=pl.col("equity").cum_max().over("strat").clip(1))
        )
        trades = by_bar.group_by("strat", "idx").agg(gain=(1 + pl.col("earned")).product() - 1)
        trades = trades.group_by("strat").agg(trades=pl.len(), win_rate=(pl.col("gain") > 1e-12).mean())
        mean = pl.col("earned").sum() / n
        deviation = ((pl.col("earned").pow(2).sum() - n * mean**2) / (n - 1)).sqrt()
        rest = by_bar.group_by("strat").agg(
            total=pl.col("equity").last() - 1,
            sharpe=mean / deviation,
            drawdown=(pl.col("equity") / pl.col("peak") - 1).min(),
        )
        return rest.join(trades, on="strat").collect()

    seconds, table = timed(figures)
    return {"seconds": seconds, "answer": {"trades": int(table["trades"].sum())}}


if __name__ == "__main__":
    main("polars", "numpy")
