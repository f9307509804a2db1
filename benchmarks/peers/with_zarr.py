"""zarr: the dense matrix in chunks, by its default codec, and nothing else: no hash, no configuration, no index."""

import zarr
from common import change_mask, main, read_dense, written


def store_dense(w, out, _):
    signals = w.signals

    def write():
        chunks = (len(signals), min(100, signals.shape[1]))
        array = zarr.create_array(store=str(out / "signals.zarr"), shape=signals.shape, chunks=chunks, dtype="int8")
        array[:] = signals

    return written(write, change_mask(signals).sum(), signals.shape[1])


def read_dense_array(_, __, store):
    return read_dense(lambda: zarr.open_array(str(store / "signals.zarr"), mode="r")[:])


if __name__ == "__main__":
    main("zarr", "numpy")
