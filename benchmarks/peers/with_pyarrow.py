"""numpy and pyarrow: what a careful researcher writes by hand."""

import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from common import again, by_hash, change_mask, dense_of, main, read_dense, written

UTC = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    {"idx": pa.int64(), "ts": UTC, "sym": pa.string(), "val": pa.int64(), "strat": pa.string(), "px": pa.float64(),
     "strategy_hash": pa.string(), "metadata": pa.string()})  # fmt: skip
TUNED = {
    "compression": "zstd",
    "use_dictionary": ["sym", "strat", "strategy_hash"],
    "column_encoding": {"idx": "DELTA_BINARY_PACKED", "ts": "DELTA_BINARY_PACKED"},
    "write_statistics": ["idx", "ts", "strategy_hash"],
    "store_schema": False,
}


def trace_table(w, n, idx, val, names, hashes, configs):
    """The eight columns of one strategy."""
    count = len(idx)
    columns = [idx, pa.array(w.timestamps[idx], UTC), ["SPY"] * count, val, [names[n]] * count, w.closes[idx],
               [hashes[n]] * count, [configs[n]] + [None] * (count - 1)]  # fmt: skip
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def dense_traces(w):
    """(hash, table) of each strategy of a dense matrix."""
    signals, hashes, configs = w.signals, w.hashes, w.configs
    names = w.names(len(hashes))
    for n, mask in enumerate(np.ascontiguousarray(change_mask(signals).T)):
        idx = np.flatnonzero(mask)
        yield hashes[n], trace_table(w, n, idx, signals[idx, n].astype(np.int64), names, hashes, configs)


def store_dense(w, write):
    """`write` gets the traces; the arrays are in memory before."""
    signals, _, _ = w.signals, w.closes, w.timestamps
    return written(lambda: write(dense_traces(w)), change_mask(signals).sum(), signals.shape[1])


def files_of(traces, out, **options):
    for digest, table in traces:
        pq.write_table(table, out / f"{digest}.parquet", **options)


def store_files(w, out, _):
    return store_dense(w, lambda traces: files_of(traces, out))


def store_tuned_files(w, out, _):
    return store_dense(w, lambda traces: files_of(traces, out, **TUNED))


def store_packed(w, out, _):
    def write(traces):
        table = pa.concat_tables([table for _, table in sorted(traces, key=lambda pair: pair[0])])
        pq.write_table(table, out / "packed.parquet", compression="zstd", row_group_size=122_880)

    return store_dense(w, write)


def store_pickle(w, out, _):
    """The dense matrix and nothing else, as the signals of a vectorised backtest are kept."""
    signals = w.signals

    def write():
        with open(out / "signals.pkl", "wb") as file:
            pickle.dump(signals, file, protocol=5)

    return written(write, change_mask(signals).sum(), signals.shape[1])


def store_dense_parquet(w, out, _):
    signals, hashes = w.signals, w.hashes
    return written(
        lambda: pq.write_table(pa.table(dict(zip(hashes, signals.T, strict=True))), out / "dense.parquet"),
        change_mask(signals).sum(), signals.shape[1],
    )  # fmt: skip


def store_same_bytes(w, out, store):
    """What the other one wrote, into as many files, and one sync: the bare disk."""
    contents = [path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()]

    def write():
        for number, content in enumerate(contents):
            (out / str(number)).write_bytes(content)
        directory = os.open(out, os.O_RDONLY)
        import ctypes

        ctypes.CDLL(None).syncfs(directory)
        os.close(directory)

    return written(write, change_mask(w.signals).sum(), w.signals.shape[1])


def read_files(w, _, store):
    bars, hashes = len(w.closes), w.hashes

    def read():
        for digest in hashes:
            table = pq.read_table(store / f"{digest}.parquet", columns=["idx", "val"], use_threads=False)
            yield digest, table["idx"].to_numpy(), table["val"].to_numpy()

    return read_dense(lambda: dense_of(read(), bars, hashes))


def read_packed(w, _, store):
    bars, hashes = len(w.closes), w.hashes

    def read():
        table = pq.read_table(store / "packed.parquet", columns=["strategy_hash", "idx", "val"],
                              read_dictionary=["strategy_hash"])  # fmt: skip
        digests = table["strategy_hash"].unify_dictionaries().combine_chunks()
        codes, texts = digests.indices.to_numpy(), digests.dictionary.to_pylist()
        idx, val = table["idx"].to_numpy(), table["val"].to_numpy()
        ends = np.append(np.flatnonzero(codes[1:] != codes[:-1]) + 1, len(codes))
        begin = 0
        for end in ends:
            yield texts[codes[begin]], idx[begin:end], val[begin:end]
            begin = end

    return read_dense(lambda: dense_of(read(), bars, hashes))


def read_pickle(w, _, store):
    return read_dense(lambda: pickle.loads((store / "signals.pkl").read_bytes()))


# ---- Many strategies of few changes


def long_table(w):
    """All changes, eight columns, in the order of the strategies."""
    idx, val, hashes = w.idx, w.val, w.hashes
    count, changes = idx.shape
    flat = idx.ravel()
    is_first = np.tile(np.arange(changes) == 0, count)
    which = pa.array(np.repeat(np.arange(count), changes))
    first = pa.array(np.repeat(np.arange(count), changes), mask=~is_first)
    columns = [flat, pa.array(w.timestamps[flat], UTC), pa.array(["SPY"]).take(pa.array(np.zeros(flat.size, np.int32))),
               val.ravel(), pa.array(w.names(count)).take(which), w.closes[flat], pa.array(hashes).take(which),
               pa.array(w.configs).take(first)]  # fmt: skip
    return pa.table([pa.array(c).cast(f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def store_many_packed(w, out, _):
    idx, _, _, _ = w.idx, w.val, w.closes, w.timestamps

    def write():
        table = long_table(w).sort_by([("strategy_hash", "ascending"), ("idx", "ascending")])
        pq.write_table(table, out / "packed.parquet", compression="zstd", row_group_size=122_880)

    return written(write, idx.size, len(idx))


def store_many_files(w, out, _):
    idx, val, hashes, configs = w.idx, w.val, w.hashes, w.configs
    names = w.names(len(hashes))

    def write():
        for n in range(len(idx)):
            table = trace_table(w, n, idx[n], val[n].astype(np.int64), names, hashes, configs)
            pq.write_table(table, out / f"{hashes[n]}.parquet")

    return written(write, idx.size, len(idx))


def trace_packed(w, _, store):
    path = store / "packed.parquet"
    hashes = w.lines("chosen_100.txt")[:20]
    return by_hash(lambda h: pq.read_table(path, filters=[("strategy_hash", "==", h)])["idx"].to_numpy(), hashes)


def trace_files(w, _, store):
    """The file of a hash by its path: what a lookup in an index gives."""
    return by_hash(lambda h: pq.read_table(store / f"{h}.parquet")["idx"].to_numpy(), w.lines("chosen_100.txt"))


def join_packed(w, _, store):
    chosen = pa.array(w.lines("chosen.txt"))

    def ask():
        found = ds.dataset(store / "packed.parquet").to_table(filter=pc.field("strategy_hash").isin(chosen))
        return {"rows": found.num_rows, "value": pc.sum(found["idx"]).as_py()}

    return again(ask)


def count_packed(_, __, store):
    return again(lambda: {"value": ds.dataset(store / "packed.parquet").count_rows()})


# ---- An index of many strategies

WANTED = ["strategy_id", "strategy_hash", "sharpe_ratio"]


def find_param(_, __, store):
    f = pc.field
    wanted = (f("strategy_type") == "bollinger_bands") & (f("param_period") == 20) & (f("param_std_dev") == 2.0)
    return again(lambda: {"rows": ds.dataset(store / "index.parquet").to_table(WANTED, filter=wanted).num_rows})


def find_best(_, __, store):
    def ask():
        table = pq.read_table(store / "index.parquet", columns=WANTED)
        return {"rows": len(pc.select_k_unstable(table, 20, [("sharpe_ratio", "descending")]))}

    return again(ask)


def find_hash(w, _, store):
    path = store / "index.parquet"
    hashes = iter(w.lines("chosen_100.txt"))
    return again(lambda: {"rows": pq.read_table(path, filters=[("strategy_hash", "==", next(hashes))]).num_rows})


def make_flat_index(w, out, store):
    """What the others are asked about: the index of a run as one table, in the order in which strategies came."""
    table = pq.read_table(store / "strategy_index.parquet")
    kept = [name for name in table.column_names if name.startswith("param_")]
    kept = ["strategy_id", "strategy_hash", "strategy_type", *kept, "constraints", "trace_path", "sharpe_ratio",
            "total_return", "max_drawdown", "win_rate", "strategy_config"]  # fmt: skip
    number = pc.cast(pc.replace_substring(table["strategy_id"], "strategy_", ""), pa.int64())
    table = table.select(kept).take(pc.sort_indices(number))

    return written(lambda: pq.write_table(table, out / "index.parquet", compression="zstd"), 0, table.num_rows)


# ---- Reading all of a run, as a check does


def verify_files(_, __, store):
    paths = sorted(store.glob("**/traces/**/*.parquet"))

    def read():
        return sum(pq.ParquetFile(path, page_checksum_verification=True).read().num_rows for path in paths)

    return again(lambda: {"rows": read()}, 2)


if __name__ == "__main__":
    main("pyarrow", "numpy")
