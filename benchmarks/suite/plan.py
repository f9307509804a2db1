"""The tasks: what is asked, and of whom."""

import json
import os
import shutil
import statistics

from suite.contestants import (
    Contestant,
    Task,
    command,
    google,
    peer,
    program,
    rows_of_csv,
    run_use,
    statement,
)
from suite.measure import disk_use, take_json, take_process
from suite.scales import SCALES

FEED = ["--symbol", "SPY", "--timeframe", "5m"]
BARS_A_YEAR = 252 * 78


def run_of(context, task, name):
    return context.latest(task, name) / "results/run_1"


def store_of(context, task, name):
    return context.latest(task, name) / "results"


def ours(layout):
    return f"signalbook, {layout}"


def end_to_end(workload, by, layout):
    def arguments(context, out):
        run = out / "results/run_1"
        return ["bench_end_to_end", context.workload(workload), run, "--by", by, "--layout", layout]

    return arguments


def record(workload, layout, given=()):
    def arguments(context, out):
        folder = context.workload(workload)
        return ["record", "--quiet", "--run", out / "results/run_1", "--layout", layout, *FEED,
                "--bars", folder / "bars.parquet", "--signals", folder / "signals.parquet",
                *(part.format(folder=folder) for part in given)]  # fmt: skip

    return arguments


def counted(workload):
    """What a run must say of itself."""

    def after(context, out):
        sql = "SELECT sum(change_count)::BIGINT AS changes, count(*) AS strategies FROM strategies"
        return json.loads(context.ask("sql", sql, "--format", "json", "--store", out / "results"))[0]

    return after


def expected_counts(workload):
    def expected(context):
        done = json.loads((context.workload(workload) / "done.json").read_text())
        return {"changes": done["changes"], "strategies": done["strategies"]}

    return expected


def expected_digest(context):
    return {"sha256": json.loads((context.workload("g1640") / "done.json").read_text())["sha256"]}


def quoted(context, workload, name, limit=None):
    return [f"'{line}'" for line in (context.workload(workload) / name).read_text().split()[:limit]]


# ---- Recording


def record_events(layout):
    name = "signalbook, an event a call"
    ways = {"events": name, "bars": "signalbook, a bar a call", "matrix": "signalbook, the matrix in one call"}
    contestants = []
    for by, who in ways.items():

        def measure(context, out, by=by):
            executable, *rest = end_to_end("g1640", by, layout)(context, out)
            figures = take_json([context.program(executable), *rest], sync=True)
            figures["whole_seconds"] = figures["seconds"]
            figures["seconds"] = figures["record_seconds"]
            figures["events_a_second"] = figures["events"] / figures["record_seconds"]
            return figures

        contestants.append(Contestant(who, measure))
    return Task(
        "record", "Taking the events of G1640", contestants, name, ("g1640",), expected_counts("g1640"),
        note="One event for each bar and strategy, most of which change nothing. Time until the writer has them "
        "all, on one core; the commit is not part of it.",
    )  # fmt: skip


def store_dense(layouts):
    task = "store-g1640"
    contestants = []
    for layout in layouts:
        contestants.append(program(ours(layout), end_to_end("g1640", "matrix", layout), writes=True))
    for layout in layouts:
        given = ("--strategies", "{folder}/configs.jsonl")
        contestants.append(
            command(f"signalbook record, {layout} (process)", record("g1640", layout, given), writes=True,
                    after=counted("g1640"))
        )  # fmt: skip

    def arrays(name, venv, function, **more):
        return peer(name, venv, function, "g1640", writes=True, **more)

    contestants += [
        arrays("pyarrow, a file a strategy", "pyarrow", "store_files"),
        arrays("pyarrow, tuned, a file a strategy", "pyarrow", "store_tuned_files"),
        arrays("pyarrow, one packed file", "pyarrow", "store_packed"),
        arrays("DuckDB, a partition a strategy", "duckdb", "store_files"),
        arrays("polars, a file a strategy", "polars", "store_files"),
        arrays("ArcticDB, a symbol a strategy", "arcticdb", "store_symbols"),
        arrays("zarr, dense", "zarr", "store_dense"),
        arrays("Parquet, dense", "pyarrow", "store_dense_parquet"),
        arrays("pickle, dense", "pyarrow", "store_pickle"),
    ]
    contestants += [
        peer(f"the bytes of {ours(layout)}, one sync", "pyarrow", "store_same_bytes", "g1640", (task, ours(layout)),
             writes=True)
        for layout in layouts
    ]  # fmt: skip
    return Task(
        task, "G1640 from a dense matrix in memory to disk", contestants, ours(layouts[0]), ("g1640",),
        expected_counts("g1640"), is_stored=True,
        note="Ours is a finished run, made durable, with index, bars and hashes. Of the others ArcticDB alone syncs, "
        "five times a symbol. Dense stores hold the values alone: no hash, no configuration, no prices.",
    )  # fmt: skip


def read_dense(layouts):
    stored = "store-g1640"
    contestants = [
        program(ours(layout), lambda c, _, layout=layout: ["bench_reading", run_of(c, stored, ours(layout)), "--dense"],
                needs=((stored, ours(layout)),))
        for layout in layouts
    ]  # fmt: skip

    def arrays(name, venv, function):
        return peer(name, venv, function, "g1640", (stored, name))

    contestants += [
        arrays("zarr, dense", "zarr", "read_dense_array"),
        arrays("pyarrow, tuned, a file a strategy", "pyarrow", "read_files"),
        arrays("pyarrow, one packed file", "pyarrow", "read_packed"),
        arrays("DuckDB, a partition a strategy", "duckdb", "read_files"),
        arrays("polars, a file a strategy", "polars", "read_files"),
        arrays("ArcticDB, a symbol a strategy", "arcticdb", "read_symbols"),
        arrays("pickle, dense", "pyarrow", "read_pickle"),
    ]
    return Task("read-g1640", "All of G1640 back into a dense int8 matrix", contestants, ours(layouts[0]), ("g1640",),
                expected_digest)  # fmt: skip


def drop_set(task, name):
    def before(context):
        run = run_of(context, task, name)
        if (run / "metrics/bench.parquet").exists():
            context.ask("analyze", "--quiet", run, "--drop", "bench")

    return before


def analyze(name, task, of, threads=None, after=None):
    def arguments(context, _):
        limit = ["--threads", threads] if threads else []
        return [
            "analyze",
            "--quiet",
            run_of(context, task, of),
            "--name",
            "bench",
            "--bars-per-year",
            BARS_A_YEAR,
            *limit,
        ]

    return command(name, arguments, before=drop_set(task, of), after=after, needs=((task, of),))


def metrics_dense(layouts):
    stored = "store-g1640"

    def after(layout):
        def answer(context, _):
            figures = ("total_return", "sharpe_ratio", "max_drawdown", "trade_count", "win_rate")
            sums = ", ".join(f"sum({name})::DOUBLE AS {name}" for name in figures)
            run = run_of(context, stored, ours(layout))
            sql = f"SELECT {sums} FROM '{run.resolve()}/metrics/bench.parquet'"
            return json.loads(context.ask("sql", sql, "--unconfined", "--format", "json", "--store", run))[0]

        return answer

    contestants = []
    for layout in layouts:
        whole = f"signalbook analyze, {layout} (process)"
        contestants.append(analyze(whole, stored, ours(layout), after=after(layout)))
        contestants.append(
            analyze(whole.replace("process", "process, one thread"), stored, ours(layout), 1, after(layout))
        )
    contestants += [
        google("signalbook, in memory, one thread", "bench_metrics", "metrics/without_cost",
               lambda c: [run_of(c, stored, ours(layouts[0]))], needs=((stored, ours(layouts[0])),)),
        peer("NumPy, dense, in memory", "pyarrow", "metrics", "g1640", file="numpy"),
        peer("polars, from files", "polars", "metrics", "g1640", (stored, "polars, a file a strategy")),
        peer("vectorbt, dense, in memory", "vectorbt", "metrics", "g1640"),
    ]  # fmt: skip
    for contestant in contestants:
        if contestant.name.startswith("polars"):
            contestant.measure = without_answer(contestant.measure)
    return Task(
        "metrics-g1640", "Metrics of G1640", contestants, contestants[0].name, ("g1640",),
        note="Ours are all figures of docs/metrics.md, read from the run, computed and written; theirs are five. "
        "NumPy's sums must equal ours. vectorbt holds shares in place of a share of equity, so that its "
        "figures are others.",
    )  # fmt: skip


def without_answer(measure):
    def measured(context, out):
        figures = measure(context, out)
        figures.pop("answer", None)
        return figures

    return measured


def alike(layouts):
    def dense(context):
        return [context.workload("g1640") / "signals.npy", context.workload("g1640") / "closes.npy"]

    contestants = [
        google("signalbook, positions", "bench_correlation", "positions", dense),
        google("signalbook, P&L", "bench_correlation", "pnl", dense),
        peer("NumPy, positions, float32", "pyarrow", "alike_positions", "g1640", file="numpy"),
        peer("NumPy, P&L, float64", "pyarrow", "alike_pnl", "g1640", file="numpy"),
    ]
    return Task("alike-g1640", "Correlation matrix of G1640, in memory", contestants, contestants[0].name, ("g1640",))


def verify(layouts):
    stored = "store-g1640"
    contestants = []
    for layout in layouts:
        for flag in ([], ["--deep"]):
            name = " ".join(["signalbook verify", *flag]) + f", {layout} (process)"
            contestants.append(
                command(name, lambda c, _, f=flag, of=layout: ["verify", "--quiet", *f, store_of(c, stored, ours(of))],
                        needs=((stored, ours(layout)),))
            )  # fmt: skip
    if "files" in layouts:
        contestants.append(
            peer("pyarrow, reading every file with its checksums", "pyarrow", "verify_files", "g1640",
                 (stored, ours("files")))
        )  # fmt: skip
    return Task("verify-g1640", "Checking G1640", contestants, contestants[0].name, ("g1640",))


def convert(layouts):
    """Each on a store of its own that has the same files: they are replaced, never changed."""
    stored = "store-g1640"

    def contestant(verb, layout):
        def measure(context, out):
            shutil.copytree(store_of(context, stored, ours(layout)), out / "results", copy_function=os.link)
            run = out / "results/run_1"
            figures = take_process([context.program("signalbook"), verb, "--quiet", run], sync=True)
            return figures | run_use(run) | {"answer": counted("g1640")(context, out)}

        return Contestant(f"signalbook {verb} (process)", measure, needs=((stored, ours(layout)),))

    contestants = [
        contestant(verb, layout) for verb, layout in (("pack", "files"), ("unpack", "packed")) if layout in layouts
    ]
    return Task(
        "convert-g1640", "G1640 from one layout to the other, durable", contestants, contestants[0].name, ("g1640",),
        expected_counts("g1640"), is_stored=True,
    )  # fmt: skip


# ---- Many strategies


def store_many(layouts):
    contestants = [
        program(ours(layout), end_to_end("x100k", "changes", layout), writes=True, slow=layout == "files")
        for layout in layouts
    ]
    contestants += [
        command(f"signalbook record, {layout} (process)", record("x100k", layout), writes=True, after=counted("x100k"),
                slow=layout == "files")
        for layout in layouts
    ]  # fmt: skip

    def arrays(name, venv, function, **more):
        return peer(name, venv, function, "x100k", writes=True, **more)

    contestants += [
        arrays("pyarrow, one packed file", "pyarrow", "store_many_packed"),
        arrays("DuckDB, one packed file", "duckdb", "store_many_packed"),
        arrays("polars, one packed file", "polars", "store_many_packed"),
        arrays("pyarrow, a file a strategy", "pyarrow", "store_many_files", slow=True, turns=1),
        arrays("ArcticDB, a symbol a strategy", "arcticdb", "store_many_symbols", slow=True, turns=1),
    ]
    return Task(
        "store-x100k", "X100k from arrays in memory to disk", contestants, ours(layouts[0]), ("x100k",),
        expected_counts("x100k"), is_stored=True,
        note="Ours is durable; of the others ArcticDB alone syncs, five times a symbol.",
    )  # fmt: skip


def many_run(layouts):
    """The run of X100k that questions are asked of."""
    return "store-x100k", ours(layouts[0])


def from_packs(name, venv, function, which="DuckDB"):
    return peer(name, venv, function, "x100k", ("store-x100k", f"{which}, one packed file"))


def trace_of_many(layouts):
    stored = many_run(layouts)
    needs = (stored,)

    def one_by_one(context):
        return [
            f"SELECT idx, val FROM traces WHERE strategy_hash = {h}" for h in quoted(context, "x100k", "chosen_100.txt")
        ]

    def of_command(context, _):
        wanted = (context.workload("x100k") / "chosen.txt").read_text().split()[0]
        return ["trace", wanted, "--format", "csv", "--quiet", "--store", run_of(context, *stored)]

    contestants = [
        program("signalbook, C++", lambda c, _: ["bench_reading", run_of(c, *stored), "--hashes",
                                                 c.workload("x100k") / "chosen_100.txt"], needs=needs),
        without_value(statement("signalbook, SQL", lambda c: run_of(c, *stored), one_by_one, needs=needs)),
        command("signalbook trace HASH (process)", of_command, is_lookup=True, needs=needs),
        from_packs("DuckDB, one packed file", "duckdb", "trace_packed"),
        from_packs("polars, one packed file", "polars", "trace_packed"),
        without_sums(from_packs("pyarrow, one packed file", "pyarrow", "trace_packed")),
        peer("pyarrow, a file by its path", "pyarrow", "trace_files", "x100k",
             ("store-x100k", "pyarrow, a file a strategy"), slow=True),
        peer("ArcticDB, a symbol", "arcticdb", "trace_symbol", "x100k",
             ("store-x100k", "ArcticDB, a symbol a strategy"), slow=True),
    ]  # fmt: skip
    return Task(
        "trace-x100k", "One trace of 100,000, by its hash", contestants, contestants[0].name, ("x100k",),
        note="The median of a hundred different hashes in a warm process (pyarrow: of twenty). First: from the "
        "start of the process to the first answer, files in the page cache.",
    )  # fmt: skip


def without_sums(contestant):
    contestant.measure = without_answer(contestant.measure)
    return contestant


without_value = without_sums


def join_many(layouts):
    stored = many_run(layouts)

    def joined(context):
        chosen = ", ".join(f"({h})" for h in quoted(context, "x100k", "chosen.txt"))
        return [
            f"SELECT idx, val FROM traces SEMI JOIN (VALUES {chosen}) AS chosen(strategy_hash) USING (strategy_hash)"
        ]

    def lateral(context):
        chosen = ", ".join(quoted(context, "x100k", "chosen.txt"))
        wanted = f"SELECT trace_path FROM strategies WHERE strategy_hash IN ({chosen})"
        return [f"WITH chosen AS ({wanted}) SELECT idx, val FROM chosen t CROSS JOIN read_parquet(t.trace_path)"]

    contestants = [
        statement("signalbook, view traces", lambda c: run_of(c, *stored), joined, needs=(stored,)),
        statement("signalbook, read_parquet(t.trace_path)", lambda c: run_of(c, *stored), lateral, needs=(stored,)),
        from_packs("DuckDB, one packed file", "duckdb", "join_packed"),
        from_packs("polars, one packed file", "polars", "join_packed"),
        from_packs("pyarrow, one packed file", "pyarrow", "join_packed"),
        peer("ArcticDB, read_batch", "arcticdb", "join_symbols", "x100k",
             ("store-x100k", "ArcticDB, a symbol a strategy"), slow=True),
    ]  # fmt: skip
    return Task("join-x100k", "The traces of 1,000 hashes of 100,000", contestants, contestants[0].name, ("x100k",))


def count_many(layouts):
    stored = many_run(layouts)
    contestants = [
        statement("signalbook, view traces", lambda c: run_of(c, *stored), lambda _: ["SELECT count(*) FROM traces"],
                  needs=(stored,)),
        from_packs("DuckDB, one packed file", "duckdb", "count_packed"),
        from_packs("polars, one packed file", "polars", "count_packed"),
    ]  # fmt: skip
    if layouts[0] == "packed":

        def count_pack(context, out):
            from suite.contestants import PEERS
            from suite.venvs import python_of

            python = python_of(context.venvs, "duckdb")
            return take_json([python, PEERS / "with_duckdb.py", "count_pack", context.workload("x100k"), out,
                              run_of(context, *stored)])  # fmt: skip

        contestants.append(Contestant("DuckDB, counting our pack", count_pack, peer="duckdb", needs=(stored,)))
    for contestant in contestants:
        contestant.measure = value_alone(contestant.measure)
    return Task("count-x100k", "How many changes are there?", contestants, contestants[0].name, ("x100k",),
                lambda c: {"value": expected_counts("x100k")(c)["changes"]})  # fmt: skip


def value_alone(measure):
    def measured(context, out):
        figures = measure(context, out)
        return figures | {"answer": {"value": figures["answer"]["value"]}}

    return measured


def metrics_many(layouts):
    name = f"signalbook analyze, {layouts[0]} (process)"
    task, of = many_run(layouts)
    contestants = [analyze(name, task, of), analyze(name.replace("process", "process, one thread"), task, of, 1)]
    return Task("metrics-x100k", "Metrics of X100k", contestants, name, ("x100k",))


# ---- An index of a million


def record_and_analyze(layout):
    def measure(context, out):
        out.mkdir(parents=True)
        signalbook = context.program("signalbook")
        recorded = take_process([signalbook, *record("i1m", layout)(context, out)], sync=True)
        analyzed = take_process([signalbook, "analyze", "--quiet", out / "results/run_1"])
        figures = {key: recorded[key] + analyzed[key] for key in ("seconds", "process_seconds", "processor_seconds")}
        return figures | run_use(out / "results/run_1") | {
            "record_seconds": recorded["seconds"],
            "analyze_seconds": analyzed["seconds"],
            "record_peak_mb": recorded["peak_mb"],
            "analyze_peak_mb": analyzed["peak_mb"],
            "peak_mb": max(recorded["peak_mb"], analyzed["peak_mb"]),
            "load": recorded["load"],
            "answer": counted("i1m")(context, out),
        }  # fmt: skip

    return Contestant("signalbook record, analyze (processes)", measure)


def store_million(layouts):
    ours_first = record_and_analyze(layouts[0])

    def flat(context, out):
        python, folder = pyarrow_of(context), context.workload("i1m")
        out.mkdir(parents=True)
        run = run_of(context, "store-i1m", ours_first.name)
        figures = take_json([python, peer_file("pyarrow"), "make_flat_index", folder, out, run])
        figures.pop("answer")
        return figures | disk_use(out)

    def sqlite(context, out):
        out.mkdir(parents=True)
        command = [pyarrow_of(context), peer_file("sqlite"), "store_index", context.workload("i1m"), out]
        figures = take_json(command)
        figures.pop("answer")
        return figures | disk_use(out)

    contestants = [
        ours_first,
        Contestant(
            "pyarrow, a flat index alone", flat, peer="pyarrow", needs=(("store-i1m", ours_first.name),), turns=1
        ),
        Contestant("SQLite, a row a parameter, index alone", sqlite, peer="pyarrow", turns=1),
        without_sums(peer("MLflow, logging runs", "mlflow", "store_runs", "i1m", writes=True, slow=True, turns=1)),
    ]
    return Task(
        "store-i1m", "A million strategies of 20 changes", contestants, ours_first.name, ("i1m",),
        expected_counts("i1m"), is_stored=True, unit="s",
        note="From a Parquet file of 20 million rows: recorded, committed, analysed. The others keep no traces; "
        "MLflow's time is that of 300 runs, and up to 100,000 are put into its tables directly.",
    )  # fmt: skip


def pyarrow_of(context):
    from suite.venvs import python_of

    return python_of(context.venvs, "pyarrow")


def peer_file(name):
    from suite.contestants import PEERS

    return PEERS / f"with_{name}.py"


MILLION = ("store-i1m", "signalbook record, analyze (processes)")


def lookups(function, title, arguments, sql, note=""):
    """One question to the index of a million: as a command, in a warm process, and of the others."""

    def where(context):
        return run_of(context, *MILLION)

    flat, kv = ("store-i1m", "pyarrow, a flat index alone"), ("store-i1m", "SQLite, a row a parameter, index alone")
    name = f"signalbook {arguments[0]} (process)"

    def of_command(context, _):
        first = (context.workload("i1m") / "chosen.txt").read_text().split()[0]
        filled = [part.format(hash=first) for part in arguments]
        return [*filled, "--quiet", "--format", "csv", "--store", where(context)]

    contestants = [
        command(
            name, of_command, answer=rows_of_csv if arguments[0] == "list" else None, is_lookup=True, needs=(MILLION,)
        ),
        rows_alone(statement("signalbook, SQL", where, sql, needs=(MILLION,))),
        peer("DuckDB, flat Parquet", "duckdb", function, "i1m", flat),
        peer("polars, flat Parquet", "polars", function, "i1m", flat),
        peer("pyarrow, flat Parquet", "pyarrow", function, "i1m", flat),
        peer("DuckDB, our index", "duckdb", function, "i1m", MILLION),
        peer("polars, our index", "polars", function, "i1m", MILLION),
        peer("SQLite, a row a parameter", "pyarrow", function, "i1m", kv, file="sqlite"),
    ]
    if function == "find_param":
        contestants.append(
            peer("MLflow, search_runs of 100,000", "mlflow", function, "i1m", ("store-i1m", "MLflow, logging runs"),
                 slow=True)
        )  # fmt: skip
    task = f"{function.replace('_', '-')}-i1m"
    return Task(task, title, contestants, "signalbook, SQL", ("i1m",), note=note)


def rows_alone(contestant):
    measure = contestant.measure

    def measured(context, out):
        figures = measure(context, out)
        return figures | {"answer": {"rows": figures["answer"]["rows"]}}

    contestant.measure = measured
    return contestant


def find_param(_):
    where = "strategy_type = 'bollinger_bands' AND period = 20 AND std_dev = 2.0"
    return lookups(
        "find_param", "Of a million: one type, two parameters",
        ["list", "--type", "bollinger_bands", "--param", "period=20", "--param", "std_dev=2.0"],
        lambda _: [f"SELECT strategy_id, strategy_hash, sharpe_ratio FROM strategies WHERE {where}"],
        note="Median: in a warm process, but for those that say process. First: from the start of a process to its"
        " first answer. Ours knows the traces as well; the others have a table of parameters and figures, and"
        " nothing else.",
    )  # fmt: skip


def find_best(_):
    best = "ORDER BY sharpe_ratio DESC NULLS LAST LIMIT 20"
    return lookups(
        "find_best", "Of a million: the best 20 by Sharpe ratio",
        ["list", "--best", "sharpe_ratio", "--limit", "20"],
        lambda _: [f"SELECT strategy_id, strategy_hash, sharpe_ratio FROM strategies {best}"],
    )  # fmt: skip


def find_hash(_):
    def sql(context):
        return [
            f"SELECT * FROM strategies WHERE strategy_hash = {h}" for h in quoted(context, "i1m", "chosen_100.txt", 12)
        ]

    return lookups("find_hash", "Of a million: one hash", ["show", "{hash}"], sql)


# ---- A thousand runs


def make_runs(context, out):
    size = SCALES[context.scale]["r1000"]
    out.mkdir(parents=True)
    command = [context.program("bench_index"), out / "results", "--runs", size.runs, "--rows", size.rows]
    output = take_process(command, answer=json.loads)
    return output | disk_use(out) | {"answer": {"rows": output["answer"]["rows_a_run"]}}


def cross_runs(_):
    made = ("cross-runs-r1000", "made (indexes without traces)")
    counting = """SELECT strategy_hash, COUNT(*) AS run_count FROM 'results/*/strategy_index.parquet'
                  GROUP BY strategy_hash HAVING run_count > 1"""
    known = "SELECT strategy_hash, runs AS run_count FROM hash_history WHERE runs > 1"

    def forget(context):
        shutil.rmtree(context.latest(*made) / "results/.signalbook/catalog", ignore_errors=True)

    def above(context):
        return context.latest(*made)

    def refresh(context, _):
        return ["catalog", "--refresh", "--quiet", "--store", context.latest(*made) / "results"]

    def over_files(name, venv):
        def measure(context, out):
            from suite.venvs import python_of

            python = python_of(context.venvs, venv)
            return take_json([python, peer_file(venv), "runs_of_hashes", context.work, out, above(context) / "results"])

        return Contestant(name, measure, peer=venv, needs=(made,))

    def one_more(context, out):
        """The catalogue brought up to date after one more run, in a store of its own that has the same files."""
        size = SCALES[context.scale]["r1000"]
        store = out / "results"
        shutil.copytree(context.latest(*made) / "results", store, copy_function=os.link)
        context.ask("catalog", "--refresh", "--quiet", "--store", store)
        added = ["--runs", "1", "--rows", size.rows, "--first-run", size.runs]
        take_process([context.program("bench_index"), store, *added])
        figures = take_process([context.program("signalbook"), "catalog", "--refresh", "--quiet", "--store", store])
        shutil.rmtree(out)
        return figures

    contestants = [
        without_sums(Contestant(made[1], make_runs, turns=1)),
        command("signalbook catalog --refresh, from nothing (process)", refresh, before=forget, needs=(made,)),
        Contestant("signalbook catalog --refresh, after one more run (process)", one_more, needs=(made,)),
        rows_alone(statement("signalbook, hash_history", above, lambda _: [known], needs=(made,))),
        rows_alone(statement("signalbook, over the files as written", above, lambda _: [counting], needs=(made,))),
        over_files("DuckDB, over the files", "duckdb"),
        over_files("polars, over the files", "polars"),
    ]
    return Task("cross-runs-r1000", "Which hashes stand in more than one of 1,000 runs?", contestants,
                "signalbook, hash_history")  # fmt: skip


# ---- Curves: each contestant gives `points`, x -> record_seconds, bytes, lookup_seconds

LOOKUPS_A_POINT = 5


def lookup_time(context, store, hashes):
    """The median of `signalbook show HASH`, of different hashes, each a process."""
    show = [context.program("signalbook"), "show"]
    times = [
        take_process([*show, digest, "--quiet", "--format", "csv", "--store", store])["seconds"]
        for digest in hashes[: LOOKUPS_A_POINT + 1]
    ]
    return statistics.median(times[1:] or times)  # the first one may bring a catalogue up to date


def chosen(context, workload):
    return (context.workload(workload) / "chosen.txt").read_text().split()


def recorded_point(context, out, workload, layout):
    figures = take_process([context.program("signalbook"), *record(workload, layout)(context, out)], sync=True)
    run = out / "results/run_1"
    use = run_use(run)
    return {"record_seconds": figures["seconds"], "bytes": use["bytes"], "peak_mb": figures["peak_mb"],
            "lookup_seconds": lookup_time(context, run, chosen(context, workload))}  # fmt: skip


def curve_of_sizes(kind, title, layout, workloads, with_million):
    def measure(context, out):
        points = {}
        for workload in workloads:
            place = out / workload
            place.mkdir(parents=True)
            points[workload.split("-")[1]] = recorded_point(context, place, workload, layout)
            shutil.rmtree(place)
        if with_million:
            points[str(SCALES[context.scale]["i1m"].strategies)] = million_point(context)
        return {"points": points, "seconds": sum(point["record_seconds"] for point in points.values())}

    def million_point(context):
        run = run_of(context, *MILLION)
        kept = context.figures_of(*MILLION)
        return {
            "record_seconds": kept["record_seconds"],
            "bytes": run_use(run)["bytes"],
            "peak_mb": kept["record_peak_mb"],
            "lookup_seconds": lookup_time(context, run, chosen(context, "i1m")),
        }

    name = "signalbook record, show (processes)"
    contestant = Contestant(name, measure, needs=(MILLION,) if with_million else (), turns=3)
    return Task(f"curve-{kind}", title, [contestant], name, tuple(workloads), unit="s")


def curve_of_runs(layout):
    def measure(context, out):
        size, folder = SCALES[context.scale]["runs"], context.workload("runs")
        out.mkdir(parents=True)
        store, points, seconds = out / "results", {}, 0.0
        for number in range(size.points[-1]):
            command = ["record", "--quiet", "--run", store / f"run_{number:04d}", "--layout", layout, *FEED]
            command += ["--bars", folder / "bars.parquet", "--signals", folder / f"signals-{number:04d}.parquet"]
            seconds += take_process([context.program("signalbook"), *command])["seconds"]
            if number + 1 in size.points:
                first = (folder / "hashes.txt").read_text().split()[: size.strategies]
                points[str(number + 1)] = {"record_seconds": seconds, "bytes": disk_use(store)["bytes"],
                                           "lookup_seconds": lookup_time(context, store, first)}  # fmt: skip
        shutil.rmtree(out)
        return {"points": points, "seconds": seconds}

    name = "signalbook record, show (processes)"
    return Task("curve-runs", "Runs of 100 strategies of 20 changes", [Contestant(name, measure, turns=1)], name,
                ("runs",), unit="s")  # fmt: skip


def tasks(scale, layouts):
    names = list(SCALES[scale])
    strategies = [name for name in names if name.startswith("strategies-")]
    changes = [name for name in names if name.startswith("changes-")]
    return [
        record_events(layouts[0]),
        *(make(layouts) for make in (store_dense, convert, read_dense, metrics_dense, alike, verify)),
        *(make(layouts) for make in (store_many, trace_of_many, join_many, count_many, metrics_many)),
        *(make(layouts) for make in (store_million, find_param, find_best, find_hash)),
        cross_runs(layouts),
        curve_of_sizes("strategies", "Strategies of 20 changes", layouts[0], strategies, True),
        curve_of_sizes("changes", "Changes a strategy, 1,000 strategies", layouts[0], changes, False),
        curve_of_runs(layouts[0]),
    ]
