"""ArcticDB on LMDB: a symbol a strategy, its configuration as the symbol's metadata."""

import json

import arcticdb
import numpy as np
import pandas as pd
from common import again, by_hash, change_mask, dense_of, main, read_dense, written

AT_A_TIME = 5_000


def library(path, create=False):
    return arcticdb.Arctic(f"lmdb://{path}?map_size=20GB").get_library("traces", create_if_missing=create)


def payload(w, index, n, idx, val, hashes, configs):
    frame = pd.DataFrame({"idx": idx, "val": val, "px": w.closes[idx]}, index=index[idx])
    return arcticdb.WritePayload(
        hashes[n], frame, metadata={"strat": f"strategy_{n}", "config": json.loads(configs[n])}
    )


def write_all(w, out, traces):
    index = pd.to_datetime(w.timestamps, unit="us", utc=True)
    hashes, configs = w.hashes, w.configs
    traces_library = library(out, create=True)
    batch = []
    for n, idx, val in traces:
        batch.append(payload(w, index, n, idx, val, hashes, configs))
        if len(batch) == AT_A_TIME:
            traces_library.write_batch(batch)
            batch = []
    if batch:
        traces_library.write_batch(batch)


def store_symbols(w, out, _):
    signals = w.signals

    def traces():
        for n, mask in enumerate(np.ascontiguousarray(change_mask(signals).T)):
            idx = np.flatnonzero(mask)
            yield n, idx, signals[idx, n]

    return written(lambda: write_all(w, out, traces()), change_mask(signals).sum(), signals.shape[1])


def read_symbols(w, _, store):
    bars, hashes = len(w.closes), w.hashes
    traces = library(store)

    def read():
        for item in traces.read_batch(hashes):
            yield item.symbol, item.data["idx"].to_numpy(), item.data["val"].to_numpy()

    return read_dense(lambda: dense_of(read(), bars, hashes))


def store_many_symbols(w, out, _):
    idx, val = w.idx, w.val
    return written(lambda: write_all(w, out, ((n, idx[n], val[n]) for n in range(len(idx)))), idx.size, len(idx))


def trace_symbol(w, _, store):
    traces = library(store)
    return by_hash(lambda h: traces.read(h).data["idx"].to_numpy(), w.lines("chosen_100.txt"))


def join_symbols(w, _, store):
    traces, chosen = library(store), w.lines("chosen.txt")

    def ask():
        frames = [item.data for item in traces.read_batch(chosen)]
        return {"rows": sum(map(len, frames)), "value": int(sum(frame["idx"].sum() for frame in frames))}

    return again(ask)


if __name__ == "__main__":
    main("arcticdb", "pandas", "numpy")
