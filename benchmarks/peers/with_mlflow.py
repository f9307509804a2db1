"""MLflow's store in SQLite: a run a strategy, its parameters as the run's, its Sharpe ratio as a metric.

Through the API the strategies of I1M would take hours. So some are logged, which is what is timed, and up to 100,000
are put straight into the tables of the store as it has filled them itself.
"""

import json
import sqlite3
import uuid

import mlflow
from common import again, main, timed
from mlflow.entities import Metric, Param

LOGGED, AT_MOST = 300, 100_000
WANTED = "params.strategy_type = 'bollinger_bands' and params.period = '20' and params.std_dev = '2.0'"


def parameters_of(text):
    config = json.loads(text)
    return {"strategy_type": config["type"]} | {name: str(value) for name, value in config["parameters"].items()}


def store_runs(w, out, _):
    rows = [parameters_of(text) for text in w.configs[:AT_MOST]]
    path = out / "mlflow.db"
    client = mlflow.MlflowClient(f"sqlite:///{path.resolve()}")
    logged = min(LOGGED, len(rows))

    def log():
        for n, parameters in enumerate(rows[:logged]):
            run = client.create_run("0").info.run_id
            metrics = [Metric("sharpe_ratio", n / 1e3, 0, 0)]
            client.log_batch(run, metrics, [Param(name, value) for name, value in parameters.items()])
        return run

    seconds, template = timed(log)
    fill(path, template, rows[logged:])
    return {
        "seconds": seconds,
        "strategies_a_second": logged / seconds,
        "answer": {"changes": 0, "strategies": len(w.configs)},
    }


def fill(path, template, rows):
    """Runs like the template, with parameters of their own."""
    database = sqlite3.connect(path)
    for table in ("runs", "params", "latest_metrics", "tags"):
        cursor = database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", [template])
        columns = [column[0] for column in cursor.description]
        found = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        if not found:
            continue
        made = []
        for n, parameters in enumerate(rows):
            who = {"run_uuid": uuid.UUID(int=n + 1).hex}
            if table == "params":
                made += [found[0] | who | {"key": key, "value": value} for key, value in parameters.items()]
            else:
                made += [row | who for row in found]
        marks = ", ".join("?" * len(columns))
        database.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", ([row[c] for c in columns] for row in made)
        )
        database.commit()
    database.close()


def find_param(_, __, store):
    client = mlflow.MlflowClient(f"sqlite:///{(store / 'mlflow.db').resolve()}")
    figures = again(lambda: {"rows": len(client.search_runs(["0"], WANTED, max_results=100))})
    figures["rows"] = figures.pop("answer")["rows"]  # of fewer strategies: not to be compared
    return figures


if __name__ == "__main__":
    main("mlflow")
