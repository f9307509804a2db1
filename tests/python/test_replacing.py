"""Readers while the files of a finished run are replaced: each finds the old ones or the new ones, never an error."""

import json
import os
import signal
import subprocess
import threading
import time

import pyarrow.parquet as pq
import pytest

from conftest import Signalbook, make_bars, make_signals, make_strategies, read_index, read_tree, wide_table

LONG = bool(os.environ.get("SIGNALBOOK_LONG_TESTS"))
RUN = "results/run_1"
STRATEGIES, BARS = 60, 300


@pytest.fixture
def store(tmp_path):
    """A store with one run, not analysed yet, and the program in the folder above it."""
    signalbook = Signalbook(tmp_path)
    pq.write_table(make_bars(BARS), tmp_path / "bars.parquet")
    (tmp_path / "strategies.json").write_text(json.dumps(make_strategies(STRATEGIES)))
    signals = make_signals(BARS, STRATEGIES)
    pq.write_table(wide_table(signals), tmp_path / "signals.parquet")
    feed = ["--bars", "bars.parquet", "--symbol", "SPY", "--timeframe", "5m", "--strategies", "strategies.json"]
    signalbook.ok("record", "--run", RUN, *feed, "--signals", "signals.parquet")
    return signalbook


def count_rows(outcome):
    return len(outcome.json)


READERS = {
    "list": ["list", "--store", "results", "--format", "json"],
    "sql": ["sql", "--store", "results", "--format", "json", "SELECT strategy_id, sharpe_ratio FROM strategies"],
    "sql in the run": ["sql", "--store", RUN, "--format", "json", "SELECT * FROM 'strategy_index.parquet'"],
    "sql over traces": ["sql", "--store", "results", "SELECT count(*) FROM traces"],
    "show": ["show", "--store", "results", "strategy_0"],
    "verify": ["verify", RUN],
    "verify --deep": ["verify", "--deep", "results"],
    "recover": ["recover", "--dry-run", RUN],
}


def test_readers_while_a_run_is_analysed_again_and_again(store):
    """One process replaces the index, and a metric set, which it removes as well; others read all the while."""
    analyze = ["analyze", RUN, "--quiet", "--cost-bps"]
    figures = []
    for cost in (1, 5):
        store.ok(*analyze, cost, "--name", "index")
        figures.append([row["total_return"] for row in read_index(store.cwd / RUN)])
    assert figures[0] != figures[1]
    store.ok(*analyze, 3, "--name", "further")
    before = read_tree(store.cwd / "results")
    is_done = threading.Event()
    faults, read_count = [], dict.fromkeys(READERS, 0)

    def read_on(name):
        while not is_done.is_set():
            outcome = store(*READERS[name])
            read_count[name] += 1
            if outcome.code != 0 or outcome.err:
                faults.append((name, outcome.code, outcome.out[-2000:], outcome.err))
            elif name in ("list", "sql", "sql in the run") and count_rows(outcome) != STRATEGIES:
                faults.append((name, count_rows(outcome)))

    readers = [threading.Thread(target=read_on, args=[name]) for name in READERS]
    for reader in readers:
        reader.start()
    try:
        rounds = 200 if LONG else 12
        while rounds > 0 or min(read_count.values()) < 3:
            rounds -= 1
            store.ok(*analyze, 1, "--name", "index")
            store.ok(*analyze, 4, "--name", "further")
            store.ok("analyze", RUN, "--quiet", "--drop", "further")
            store.ok(*analyze, 5, "--name", "index")
            store.ok(*analyze, 3, "--name", "further")
            if faults:
                break
    finally:
        is_done.set()
        for reader in readers:
            reader.join()
    assert not faults, faults[:3]
    after = read_tree(store.cwd / "results")
    assert {name: after[name] for name in before if not name.startswith(".signalbook/catalog")} == {
        name: bytes_ for name, bytes_ in before.items() if not name.startswith(".signalbook/catalog")
    }


@pytest.mark.parametrize("seed", range(30 if LONG else 4))
def test_an_analysis_that_is_killed_leaves_a_run_that_reads(store, seed):
    """Whatever it has come to: figures are old or new, all of them, and to type it again ends it."""
    analyze = ["analyze", RUN, "--quiet", "--name", "index", "--cost-bps"]
    store.ok(*analyze, 1)
    old = read_index(store.cwd / RUN)
    store.ok(*analyze, 5)
    new = read_index(store.cwd / RUN)
    for i in range(6):
        store.ok(*analyze, 1)
        process = subprocess.Popen(
            [store.program, *analyze, "5"], cwd=store.cwd, env=store.environment, stderr=subprocess.DEVNULL
        )
        time.sleep((seed * 6 + i) * 0.0007)
        process.send_signal(signal.SIGKILL)
        process.wait()
        store.ok("list", "--store", "results")
        assert read_index(store.cwd / RUN) in (old, new)
        assert store("verify", RUN).code in (0, 1)  # 1: a file in flight that was left
        if i % 2:
            store.ok("recover", RUN)
            store.ok("verify", RUN)
        store.ok(*analyze, 5)
        assert read_index(store.cwd / RUN) == new
