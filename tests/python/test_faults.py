"""The tools of faults.py do what tests that use them rely on."""

import signal
import sys

import pytest
from faults import NAME_CALLS, SYNC_CALLS, Fault, parse_trace, traced, with_fault

# Appends three lines to a file as careful programs do, and gives it its name.
SCRIPT = """
import os, sys
folder = sys.argv[1]
file = os.open(folder + "/f.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
for line in (b"first\\n", b"second\\n", b"third\\n"):
    while line:
        line = line[os.write(file, line):]
    os.fdatasync(file)
os.close(file)
os.rename(folder + "/f.tmp", folder + "/f")
directory = os.open(folder, os.O_RDONLY)
os.fsync(directory)
"""
COMMAND = ["-I", "-S", "-B", "-c", SCRIPT]


def in_folder(calls, folder):
    return [c for c in calls if any(p == str(folder) or p.startswith(f"{folder}/") for p in c.paths)]


@pytest.mark.parametrize("name", ["plain", 'sp ace, "q" <a> \\ é\n', "ends)= 0"])
def test_calls_in_order_with_their_paths(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    done = traced(sys.executable, [*COMMAND, name], ["write", *NAME_CALLS, *SYNC_CALLS], cwd=tmp_path)
    assert done.code == 0, done.err
    calls = in_folder(done.calls, folder)
    assert [(c.name, c.path) for c in calls] == [
        *[("write", f"{folder}/f.tmp"), ("fdatasync", f"{folder}/f.tmp")] * 3,
        (calls[6].name, f"{folder}/f"),
        ("fsync", str(folder)),
    ]
    assert calls[6].name.startswith("rename") and calls[6].paths[0] == f"{folder}/f.tmp"
    assert [c.result for c in calls] == [6, 0, 7, 0, 6, 0, 0, 0]


def test_a_call_that_strace_makes_fail(tmp_path):
    done = traced(sys.executable, [*COMMAND, tmp_path], ["fdatasync", "rename"], inject=["fdatasync:error=EIO:when=2"])
    assert done.code == 1 and "Errno 5" in done.err
    calls = in_folder(done.calls, tmp_path)
    assert [(c.name, c.result, c.error, c.injected) for c in calls] == [
        ("fdatasync", 0, None, False),
        ("fdatasync", -1, "EIO", True),
    ]


def test_calls_of_two_processes_that_cross():
    text = (
        "11 fdatasync(3</a/x> <unfinished ...>\n"
        '12 renameat2(AT_FDCWD</a>, "b", 4</c>, "d", 0) = 0\n'
        "12 --- SIGCHLD ---\n"
        "11 <... fdatasync resumed>)        = -1 ENOSPC (No space left on device)\n"
        '12 openat(AT_FDCWD</a>, "y", O_WRONLY|O_CREAT, 0666) = 5</a/y>\n'
        "12 close(5</a/y>(deleted)) = 0\n"
        "12 exit_group(0) = ?\n"
        "11 fsync(3</a/x> <unfinished ...>\n"
        "11 +++ killed by SIGKILL +++\n"
    )
    found = [(c.process, c.name, c.paths, c.result, c.error) for c in parse_trace(text, "/cwd")]
    assert found == [
        (12, "renameat2", ["/a/b", "/c/d"], 0, None),
        (11, "fdatasync", ["/a/x"], -1, "ENOSPC"),
        (12, "openat", ["/a/y"], 5, None),
        (12, "close", ["/a/y"], 0, None),
        (12, "exit_group", [], None, None),
        (11, "fsync", ["/a/x"], None, None),
    ]


def test_words_of_strace_that_are_not_understood_are_no_calls():
    with pytest.raises(ValueError, match="not understood"):
        parse_trace("11 something else\n", "/")


def test_short_writes_are_really_written(tmp_path):
    fault = Fault("write", ("short", "short", "ok", "short"), path="*/f.tmp", for_good=True)
    done = with_fault(sys.executable, [*COMMAND, tmp_path], fault)
    assert done.code == 0, done.err
    assert (tmp_path / "f").read_text() == "first\nsecond\nthird\n"
    assert len(done.hits) > 4 and set(done.hits) == {("short", "write", f"{tmp_path}/f.tmp")}


@pytest.mark.parametrize(
    "fault, left, hits",
    [
        (Fault("write", ("short", "ENOSPC"), path="*.tmp", first=2), "first\nsec", 2),
        (Fault("fdatasync", ("EIO",), first=2), "first\nsecond\n", 1),
        (Fault("close", ("EIO",), path="*/f.tmp"), "first\nsecond\nthird\n", 1),
        (Fault("rename", ("EACCES",), path="*/f"), "first\nsecond\nthird\n", 1),
        (Fault("open", ("EMFILE",), path="*/f.tmp", for_good=True), None, 1),
    ],
)
def test_a_call_that_fails(tmp_path, fault, left, hits):
    done = with_fault(sys.executable, [*COMMAND, tmp_path], fault)
    assert done.code == 1 and "Error" in done.err
    assert len(done.hits) == hits and done.hits[-1][:2] == (fault.outcomes[-1], fault.call)
    file = tmp_path / "f.tmp"
    assert (file.read_text() if file.exists() else None) == left
    assert not (tmp_path / "f").exists()


def test_a_signal_that_interrupts_is_only_that(tmp_path):
    done = with_fault(sys.executable, [*COMMAND, tmp_path], Fault("fdatasync", ("EINTR", "EINTR", "ok", "EINTR")))
    assert done.code == 0 and len(done.hits) == 3, done.err
    assert (tmp_path / "f").read_text() == "first\nsecond\nthird\n"


def test_a_process_that_is_killed_at_a_call(tmp_path):
    done = with_fault(sys.executable, [*COMMAND, tmp_path], Fault("write", ("kill",), path="*/f.tmp", first=3))
    assert done.code == -signal.SIGKILL
    assert (tmp_path / "f.tmp").read_text() == "first\nsecond\n"


def test_an_outcome_that_is_unknown_is_not_taken_for_none(tmp_path):
    done = with_fault(sys.executable, [*COMMAND, tmp_path], Fault("write", ("ENOSUCH",)))
    assert done.code == 99 and "ENOSUCH" in done.err
