"""DuckDB through its Python package, in memory."""

import duckdb
import numpy as np
from common import (
    again,
    by_hash,
    change_mask,
    dense_of,
    index_of,
    main,
    read_dense,
    written,
)


def strategies_table(w, names, hashes):
    return {"s": np.arange(len(hashes), dtype=np.int32), "strat": np.array(names, dtype=object),
            "strategy_hash": np.array(hashes, dtype=object), "config": np.array(w.configs, dtype=object)}  # fmt: skip


def bars_table(w):
    return {"idx": np.arange(len(w.closes), dtype=np.int32), "us": w.timestamps, "px": w.closes}


def connect(w, names, hashes):
    database = duckdb.connect()
    for name, table in {"bars": bars_table(w), "strategies": strategies_table(w, names, hashes)}.items():
        database.register(name, table)
    return database


COLUMNS = """idx, make_timestamptz(us) AS ts, 'SPY' AS sym, val, strat, px, strategy_hash,
             CASE WHEN is_first THEN config END AS metadata"""


def store_files(w, out, _):
    """The long table, lag() and a partition a strategy."""
    signals, hashes = w.signals, w.hashes
    bars, count = signals.shape
    names = w.names(count)

    def write():
        database = connect(w, names, hashes)
        dense = {"idx": np.repeat(np.arange(bars, dtype=np.int32), count),
                 "s": np.tile(np.arange(count, dtype=np.int32), bars), "val": signals.ravel()}  # fmt: skip
        database.register("dense", dense)
        database.execute("SET partitioned_write_max_open_files = 2000")
        database.execute(
            f"""COPY (WITH steps AS (SELECT *, lag(val) OVER (PARTITION BY s ORDER BY idx) AS before FROM dense),
                           changes AS (SELECT *, before IS NULL AS is_first FROM steps
                                       WHERE before IS DISTINCT FROM val)
                      SELECT {COLUMNS} FROM changes JOIN bars USING (idx) JOIN strategies USING (s) ORDER BY s, idx)
                TO '{out}' (FORMAT parquet, PARTITION_BY (strategy_hash), WRITE_PARTITION_COLUMNS true,
                            OVERWRITE_OR_IGNORE true)"""
        )

    return written(write, change_mask(signals).sum(), count)


def read_files(w, _, store):
    bars, hashes = len(w.closes), w.hashes

    def read():
        got = duckdb.sql(
            f"""SELECT strategy_hash, list(idx ORDER BY idx) AS idx, list(val ORDER BY idx) AS val
                FROM read_parquet('{store}/*/*.parquet', hive_partitioning = false) GROUP BY ALL"""
        ).fetchnumpy()
        columns = got["strategy_hash"], map(np.array, got["idx"]), map(np.array, got["val"])
        return dense_of(zip(*columns, strict=True), bars, hashes)

    return read_dense(read)


def store_many_packed(w, out, _):
    idx, val, hashes = w.idx, w.val, w.hashes
    count, changes = idx.shape
    names = w.names(count)

    def write():
        database = connect(w, names, hashes)
        long = {"idx": idx.ravel(), "s": np.repeat(np.arange(count, dtype=np.int32), changes), "val": val.ravel(),
                "is_first": np.tile(np.arange(changes) == 0, count)}  # fmt: skip
        database.register("changes", long)
        database.execute(
            f"""COPY (SELECT {COLUMNS} FROM changes JOIN bars USING (idx) JOIN strategies USING (s)
                      ORDER BY strategy_hash, idx)
                TO '{out}/packed.parquet' (FORMAT parquet, COMPRESSION zstd)"""
        )

    return written(write, idx.size, count)


def trace_packed(w, _, store):
    database = duckdb.connect()
    sql = f"SELECT * FROM '{store}/packed.parquet' WHERE strategy_hash = ? ORDER BY idx"
    return by_hash(lambda h: database.execute(sql, [h]).fetchnumpy()["idx"], w.lines("chosen_100.txt"))


def join_packed(w, _, store):
    database = duckdb.connect()
    database.execute(f"CREATE TABLE chosen AS FROM read_csv('{w.folder}/chosen.txt', header = false, columns = "
                     "{'strategy_hash': 'VARCHAR'})")  # fmt: skip

    def ask():
        got = database.execute(f"FROM '{store}/packed.parquet' SEMI JOIN chosen USING (strategy_hash)").fetchnumpy()
        return {"rows": len(got["idx"]), "value": int(got["idx"].sum())}

    return again(ask)


def count_packed(_, __, store):
    database = duckdb.connect()
    return again(lambda: {"value": database.execute(f"SELECT count(*) FROM '{store}/*.parquet'").fetchone()[0]})


def count_pack(_, __, store):
    """The rows of a pack of Signalbook's, counted as a file."""
    database = duckdb.connect()
    sql = f"SELECT count(*) FROM '{store}/traces/*/*-*.parquet'"
    return again(lambda: {"value": database.execute(sql).fetchone()[0]})


WANTED = "strategy_id, strategy_hash, sharpe_ratio"


def ask_index(store, rest, parameters=list):
    database = duckdb.connect()
    sql = f"SELECT {WANTED} FROM '{index_of(store)}' {rest}"
    return again(lambda: {"rows": len(database.execute(sql, parameters()).fetchall())})


def find_param(_, __, store):
    return ask_index(store, "WHERE strategy_type = 'bollinger_bands' AND param_period = 20 AND param_std_dev = 2.0")


def find_best(_, __, store):
    return ask_index(store, "ORDER BY sharpe_ratio DESC NULLS LAST LIMIT 20")


def find_hash(w, _, store):
    hashes = iter(w.lines("chosen_100.txt"))
    return ask_index(store, "WHERE strategy_hash = ?", lambda: [next(hashes)])


def runs_of_hashes(_, __, store):
    """Which hashes stand in more than one run?"""
    database = duckdb.connect()
    sql = f"""SELECT strategy_hash, count(*) FROM '{store}/*/strategy_index.parquet'
              GROUP BY strategy_hash HAVING count(*) > 1"""
    return again(lambda: {"rows": len(database.execute(sql).fetchall())})


if __name__ == "__main__":
    main("duckdb", "numpy")
