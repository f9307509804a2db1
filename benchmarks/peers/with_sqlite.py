"""SQLite with a row a parameter, as the stores of Optuna and MLflow keep them, indexed as they are."""

import json
import sqlite3

from common import again, main, written

TABLES = """PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;
            CREATE TABLE strategies (id INTEGER PRIMARY KEY, strategy_id TEXT, strategy_hash TEXT, sharpe_ratio REAL);
            CREATE TABLE parameters (strategy INTEGER, key TEXT, value REAL, text TEXT, PRIMARY KEY (strategy, key))"""


def store_index(w, out, _):
    """The Sharpe ratio is a number like any other here: what matters is that one is there."""
    hashes, configs = w.hashes, w.configs

    def write():
        database = sqlite3.connect(out / "index.sqlite")
        database.executescript(TABLES)
        database.executemany(
            "INSERT INTO strategies VALUES (?, ?, ?, ?)",
            ((n, f"strategy_{n}", digest, int(digest[:6], 16) / 2**24) for n, digest in enumerate(hashes)),
        )

        def parameters():
            for n, text in enumerate(configs):
                config = json.loads(text)
                yield n, "_type", None, config["type"]
                for name, value in config["parameters"].items():
                    yield n, name, value, None

        database.executemany("INSERT INTO parameters VALUES (?, ?, ?, ?)", parameters())
        database.execute("CREATE INDEX by_value ON parameters (key, value)")
        database.execute("CREATE INDEX by_hash ON strategies (strategy_hash)")
        database.execute("CREATE INDEX by_sharpe ON strategies (sharpe_ratio)")
        database.execute("ANALYZE")
        database.commit()
        database.close()

    return written(write, 0, len(hashes))


def ask_index(store, sql, parameters=tuple):
    database = sqlite3.connect(store / "index.sqlite")
    return again(lambda: {"rows": len(database.execute(sql, parameters()).fetchall())})


def find_param(_, __, store):
    return ask_index(
        store,
        """SELECT s.strategy_id, s.strategy_hash, s.sharpe_ratio FROM strategies s
           JOIN parameters t ON t.strategy = s.id AND t.key = '_type' AND t.text = 'bollinger_bands'
           JOIN parameters p ON p.strategy = s.id AND p.key = 'period' AND p.value = 20
           JOIN parameters d ON d.strategy = s.id AND d.key = 'std_dev' AND d.value = 2.0""",
    )


def find_best(_, __, store):
    return ask_index(
        store, "SELECT strategy_id, strategy_hash, sharpe_ratio FROM strategies ORDER BY sharpe_ratio DESC LIMIT 20"
    )


def find_hash(w, _, store):
    hashes = iter(w.lines("chosen_100.txt"))
    return ask_index(store, "SELECT * FROM strategies WHERE strategy_hash = ?", lambda: (next(hashes),))


if __name__ == "__main__":
    main()
