"""Processes that are killed at any moment, with an oracle outside that keeps what was acknowledged to it.

By default some dozens of kills; SIGNALBOOK_LONG_TESTS=1 makes it hundreds.
"""

import json
import os
import random
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import make_bars, make_signals, read_tree, write_table
from faults import Fault, traced, with_fault

LONG = "SIGNALBOOK_LONG_TESTS" in os.environ
WRITERS = 8
KILLS = 240 if LONG else 24
STRATEGIES, BARS = 4, 120


def rows_of(writer):
    """The rows of one worker: bar by bar over its strategies, now and then with a price; then the end."""
    signals = make_signals(BARS, STRATEGIES, seed=100 + writer)
    for bar in range(BARS):
        for s in range(STRATEGIES):
            row = {"strategy_id": f"w{writer}_s{s}", "idx": bar, "val": signals[bar, s]}
            if bar == 0:
                row["config"] = {"sma": {"window": s, "worker": writer}}
            if bar % 9 == 0:
                row["px"] = 100.0 + bar
            yield row
    yield {"end": True}


class Worker:
    """Feeds one writer of the run, starts it again when it is killed, and keeps what it has acknowledged."""

    def __init__(self, record, writer, chance, kills):
        self.lines = [json.dumps(row).encode() + b"\n" for row in rows_of(writer)]
        self.record, self.name = record, f"worker_{writer}"
        self.random = random.Random(writer)
        self.chance, self.kills = chance, kills
        self.acknowledged = self.sent = 0
        self.problems = []

    def run(self):
        try:
            while not self.attempt():
                pass
        except Exception as problem:  # of a thread; the test raises it
            self.problems.append(f"{self.name}: {problem!r}")

    def attempt(self):
        """Feeds a process until it is done, or is killed. Whether it was done."""
        process = self.record(self.name)
        first = process.stdout.readline().split()
        assert first[:1] == [b"resume"], (first, process.stderr.read())
        durable = int(first[1])
        # Nothing that was acknowledged is lost, and nothing is made up.
        assert self.acknowledged <= durable <= self.sent, (self.acknowledged, durable, self.sent)
        listener = threading.Thread(target=self.listen, args=(process.stdout,))
        listener.start()
        killed = self.feed(process, durable)
        process.wait(120)
        listener.join()
        error = process.stderr.read().decode()
        process.stdout.close()
        process.stderr.close()
        if not killed:
            assert process.returncode == 0, (process.returncode, error)
        return not killed

    def feed(self, process, begin):
        at = begin
        try:
            while at < len(self.lines):
                size = self.random.choice([1, 1, 2, 7, 40])
                self.sent = max(self.sent, min(at + size, len(self.lines)))
                process.stdin.write(b"".join(self.lines[at : at + size]))
                process.stdin.flush()
                at += size
                if self.random.random() < self.chance and self.kills.take():
                    process.kill()
                    return True
            process.stdin.close()
            # Also in the moments in which it ends.
            if self.random.random() < 0.3 and self.kills.take():
                process.kill()
                return process.wait(120) != 0
        except BrokenPipeError:
            return True
        return False

    def listen(self, output):
        for line in output:
            word, _, count = line.partition(b" ")
            if word == b"acknowledged" and line.endswith(b"\n"):
                assert int(count) <= self.sent
                self.acknowledged = max(self.acknowledged, int(count))


class Budget:
    """How many kills there are still to be."""

    def __init__(self, count):
        self.left, self.lock = count, threading.Lock()

    def take(self):
        with self.lock:
            self.left -= self.left > 0
            return self.left > 0


class Sweep:
    """A store in which workers record one run."""

    def __init__(self, folder, signalbook):
        self.folder, self.signalbook = folder, signalbook
        folder.mkdir()
        write_table(make_bars(BARS), folder / "bars.parquet")

    def command(self, *options):
        return [
            "record",
            "--run",
            "results/run",
            "--bars",
            "bars.parquet",
            "--symbol",
            "SPY",
            "--timeframe",
            "5m",
            *options,
        ]

    def record(self, writer):
        return subprocess.Popen(
            [self.signalbook.program, *self.command("--signals", "-", "--ack", "--resume", "--writer", writer)],
            cwd=self.folder, env=self.signalbook.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def work(self, chance, kills):
        """Runs all workers to their end. How many acknowledgements there were in all."""
        workers = [Worker(self.record, writer, chance, kills) for writer in range(WRITERS)]
        threads = [threading.Thread(target=worker.run) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not [problem for worker in workers for problem in worker.problems]
        return sum(worker.acknowledged for worker in workers)

    def recover(self, **options):
        return self.signalbook("recover", "results/run", cwd=self.folder, **options)

    def tree(self):
        return {
            name: content for name, content in read_tree(self.folder / "results").items() if not name.endswith(".lock")
        }


@pytest.fixture
def uninterrupted(tmp_path, signalbook):
    sweep = Sweep(tmp_path / "uninterrupted", signalbook)
    sweep.work(0, Budget(0))
    assert sweep.recover().code == 0
    return sweep.tree()


def test_writers_that_are_killed_lose_nothing(tmp_path, signalbook, uninterrupted):
    sweep = Sweep(tmp_path / "killed", signalbook)
    kills = Budget(KILLS)
    assert sweep.work(0.12 if not LONG else 0.25, kills) > 0
    assert KILLS - kills.left >= (200 if LONG else 13), "there were hardly any kills"
    # Kills of those who finish the run, at any of the calls by which they change the disk.
    dice = random.Random(5)
    for _ in range(60 if LONG else 12):
        call = dice.choice(["write", "rename", "syncfs", "fdatasync", "fsync", "unlink", "open", "mkdir", "rmdir"])
        first = dice.randrange(1, 12 if call in ("syncfs", "mkdir", "rmdir", "fdatasync") else 60)
        outcome = with_fault(
            signalbook.program, ["recover", "results/run"], Fault(call, ("kill",), path="*/results/*", first=first),
            cwd=sweep.folder, env=signalbook.environment,
        )  # fmt: skip
        assert outcome.code in (0, -9), (call, first, outcome)
    assert sweep.recover().code == 0
    before = sweep.tree()
    assert sweep.recover().code == 0, "once more changes nothing"
    assert sweep.tree() == before
    assert set(before) == set(uninterrupted)
    assert before == uninterrupted
    assert signalbook("verify", "results", "--deep", cwd=sweep.folder).code == 0


def test_an_acknowledgement_follows_its_sync(tmp_path, signalbook):
    """A kill cannot show it, since what is written survives a kill: so the calls themselves."""
    sweep = Sweep(tmp_path / "traced", signalbook)
    lines = [json.dumps(row) for row in rows_of(0)]
    parts = [lines[:50], lines[50:51], lines[51:400], lines[400:]]
    for number, part in enumerate(parts):
        (sweep.folder / f"{number}.jsonl").write_text("\n".join(part) + "\n")
    feed = "; sleep 0.4; ".join(f"cat {number}.jsonl" for number in range(len(parts)))
    command = " ".join([signalbook.program, *sweep.command("--signals", "-", "--ack")])
    outcome = traced(
        "/bin/sh", ["-c", f"({feed}) | {command}"], ["write", "writev", "pwrite64", "fdatasync", "fsync", "syncfs"],
        cwd=sweep.folder, env=signalbook.environment,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    acknowledged = [int(line.split()[1]) for line in outcome.out.splitlines() if line.startswith("acknowledged")]
    assert len(acknowledged) >= 3 and acknowledged == sorted(set(acknowledged))
    recorder = next(call.process for call in outcome.calls if call.path and call.path.endswith(".journal"))
    is_dirty, is_sealed, seen = None, True, 0
    for call in outcome.calls:
        if call.process != recorder:
            continue
        if call.path and call.path.endswith(".journal"):
            assert call.result is not None and call.result >= 0
            is_sync = call.name in ("fdatasync", "fsync")
            # Behind a sync comes one frame that says so: it holds nothing that could be acknowledged.
            is_dirty = not is_sync and (is_dirty or is_sealed or call.result != 72)
            is_sealed = not is_sync
        elif call.name == "write" and call.arguments.startswith("1<") and seen < len(acknowledged):
            assert is_dirty is False, "an acknowledgement before its sync"
            seen += 1
    assert seen == len(acknowledged)


FAULTS = [
    Fault("write", ("ENOSPC",), path="*.journal", first=3),
    Fault("write", ("ENOSPC",), path="*.journal", first=4),
    Fault("write", ("EIO",), path="*.journal", first=2),
    Fault("write", ("short", "ENOSPC"), path="*.journal", first=2),
    Fault("fdatasync", ("EIO",), path="*.journal", first=2),
    Fault("fdatasync", ("EIO",), path="*.journal", first=2, for_good=True),
    Fault("write", ("ENOSPC",), path="*.parquet.tmp", first=2),
    Fault("syncfs", ("EIO",)),
    Fault("rename", ("EIO",), path="*strategy_index.parquet"),
    Fault("rename", ("ENOSPC",), path="*/traces/*"),
    Fault("fsync", ("EIO",), path="*/results/run", first=3),
    Fault("open", ("EMFILE",), path="*.journal"),
    Fault("mkdir", ("ENOSPC",), path="*/traces*"),
]


@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: f"{fault.call}-{'-'.join(fault.outcomes)}-{Path(fault.path).name}"
)
def test_a_disk_that_fails_loses_nothing(tmp_path, signalbook, fault):
    sweep = Sweep(tmp_path / "faulty", signalbook)
    whole = Sweep(tmp_path / "whole", signalbook)
    for each in (sweep, whole):
        (each.folder / "signals.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(0)))
    feed = "(head -100 signals.jsonl; sleep 0.3; tail -n +101 signals.jsonl)"
    record = " ".join([signalbook.program, *sweep.command("--signals", "-", "--ack")])
    assert subprocess.run(
        ["/bin/sh", "-c", f"{feed} | {record}"],
        cwd=whole.folder,
        env=signalbook.environment,
        capture_output=True,
        check=True,
    )
    outcome = with_fault(
        "/bin/sh", ["-c", f"{feed} | exec {record}"], fault, cwd=sweep.folder, env=signalbook.environment
    )  # fmt: skip
    assert outcome.hits, "the fault never came"
    assert outcome.code == 4, outcome
    assert outcome.err.count("signalbook:") == 1, outcome.err
    if fault.path == "*.journal":  # what was said last is not on the disk
        assert "the end of the stream was said" not in outcome.err
    acknowledged = [int(line.split()[1]) for line in outcome.out.splitlines() if line.startswith("acknowledged")]
    with open(sweep.folder / "signals.jsonl") as rows:
        lines = rows.readlines()
    resumed = subprocess.Popen(
        [signalbook.program, *sweep.command("--signals", "-", "--resume")],
        cwd=sweep.folder, env=signalbook.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    first = resumed.stdout.readline().split()
    if first and first[0] == b"resume":
        assert int(first[1]) >= max(acknowledged, default=0)
        _, error = resumed.communicate("".join(lines[int(first[1]) :]).encode(), timeout=120)
    else:
        _, error = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, (first, error)
    signalbook("recover", "results/run", cwd=sweep.folder)
    assert sweep.tree() == whole.tree()


@pytest.mark.parametrize("outcomes", [("EINTR",) * 3, ("short", "EINTR", "short")])
@pytest.mark.parametrize("call", ["write", "read"])
def test_interruptions_and_short_writes_are_no_failures(tmp_path, signalbook, call, outcomes):
    sweep = Sweep(tmp_path / "faulty", signalbook)
    (sweep.folder / "signals.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(0)))
    record = " ".join([signalbook.program, *sweep.command("--signals", "-")])
    fault = Fault(call, outcomes, path="*/results/*")
    outcome = with_fault(
        "/bin/sh", ["-c", f"exec {record} < signals.jsonl"], fault, cwd=sweep.folder, env=signalbook.environment
    )
    assert outcome.hits and outcome.code == 0, outcome
    assert signalbook("verify", "results", "--deep", cwd=sweep.folder).code == 0
