"""What takes long shows on a terminal how far it is, and nowhere else."""

import fcntl
import os
import pty
import struct
import subprocess
import tempfile
import termios

import pytest
from conftest import make_signals, make_strategies, wide_table

ALWAYS = {"SIGNALBOOK_PROGRESS": "always"}  # from the first step on, not from the second that it takes


def on_terminal(signalbook, *arguments, cwd=None, columns=140):
    """Runs the program with a terminal as its standard error; gives its exit status and what it wrote there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [signalbook.program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=slave,
            cwd=cwd or signalbook.cwd,
            env=signalbook.environment | ALWAYS,
        )
        os.close(slave)
        shown = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        os.close(master)
        code = process.wait(timeout=120)
        output.seek(0)
        return code, output.read().decode(), shown.decode()


@pytest.fixture
def commands(signalbook, tmp_path):
    """The long commands, each with a word that its bar shows; in the order in which they can be done."""
    signalbook.ok("demo", "--store", tmp_path / "results", "--months", "2", "--quiet")
    run = tmp_path / "results" / "in_sample"
    return [
        ("analyze in_sample", ["analyze", run, "--cost-bps", "3", "--name", "costly"]),
        ("verify in_sample", ["verify", run, "--deep"]),
        ("pack in_sample", ["pack", run]),
        ("verify in_sample", ["verify", run]),
        ("read traces/DEMO_5m/signals-00000.parquet", ["recover", run]),
        ("read traces/DEMO_5m/signals-00000.parquet", ["index", "rebuild", run]),
        ("unpack in_sample", ["unpack", run]),
        ("read traces of in_sample", ["recover", run]),
    ]


def test_a_bar_on_a_terminal(signalbook, commands):
    for what, command in commands:
        code, out, shown = on_terminal(signalbook, *command)
        assert code == 0, (command, out, shown)
        assert what in shown, (command, shown)
        assert "%" in shown and "[#" in shown, (command, shown)
        # It is gone in the end, and never wraps.
        assert shown.endswith("\r\x1b[K"), (command, shown[-80:])
        assert all(len(line) < 140 for line in shown.replace("\x1b[K", "").split("\r")), command
        assert "\x1b" not in out


def test_record_shows_what_it_reads_and_writes(workspace):
    signals = make_signals(200, 20)
    bars, strategies = workspace.write("bars.parquet", workspace.bars), workspace.write("s.json", make_strategies(20))
    for form, words in (("parquet", "20 of 20 strategies"), ("csv", "200 rows")):
        run = workspace.store / form
        command = [
            "record",
            "--run",
            run,
            "--bars",
            bars,
            "--symbol",
            "X",
            "--timeframe",
            "5m",
            "--strategies",
            strategies,
        ]
        command += ["--signals", workspace.write(f"signals.{form}", wide_table(signals))]
        code, out, shown = on_terminal(workspace.signalbook, *command)
        assert code == 0, (out, shown)
        assert "read the signals" in shown and words in shown, shown
        assert f"write {form}" in shown and "20 of 20 traces" in shown, shown


def test_no_bar_elsewhere(signalbook, commands):
    for _, command in commands:
        piped = signalbook.ok(*command, env=ALWAYS)
        assert piped.err == "", (command, piped.err)
    for _, command in commands:
        code, _, shown = on_terminal(signalbook, *command, "--quiet")
        assert (code, shown) == (0, ""), command
