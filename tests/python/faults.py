"""The program on a disk that fails, and the order of what it asks of the disk. Linux only.

traced() watches a program with strace; with_fault() runs it with tests/support/faulty_disk.c in front of libc. Both
skip the test, and say why, where the machine has not what they need.
"""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SHIM_SOURCE = Path(__file__).resolve().parents[1] / "support" / "faulty_disk.c"

# As strace names them; what changes names or makes things durable is often what a test is about.
NAME_CALLS = ("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat")
SYNC_CALLS = ("fsync", "fdatasync", "syncfs")


# --- strace ---


@dataclass
class Call:
    """A system call. `paths` are absolute: of names as they were given, of descriptors as they are called now."""

    process: int
    name: str
    paths: list[str]
    arguments: str  # as strace shows them, without the bytes that are read and written
    result: int | None  # None: the process ended in it
    error: str | None  # "ENOSPC"
    injected: bool = False

    @property
    def path(self):
        """What it makes or changes: of a rename where it leads."""
        return self.paths[-1] if self.paths else None


@dataclass
class Outcome:
    """How a program ended; a negative code is the signal that killed it."""

    code: int
    out: str
    err: str
    calls: list[Call] = field(default_factory=list)  # in order, of traced()
    hits: list[tuple[str, str, str]] = field(default_factory=list)  # outcome, call, path, of with_fault()


@functools.cache
def _no_strace():
    if not shutil.which("strace"):
        return "strace is not installed (apt-get install strace)"
    probe = ["strace", "-f", "-o", os.devnull, "-e", "trace=execve", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"strace is not permitted here: {done.stderr.strip()}"
    return None


def need_strace():
    if reason := _no_strace():
        pytest.skip(reason)


def traced(program, args, calls, *, inject=(), only=None, cwd=None, env=None, timeout=120):
    """Runs a program and returns its Outcome, with each of the named system calls that it and its children have made.
    `inject` takes what strace's option of that name does: "fdatasync:error=EIO:when=2". With `only`, a path, calls on
    other files are neither seen nor injected."""
    need_strace()
    cwd = Path(cwd or os.getcwd()).resolve()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        # A call that this machine does not have (?) is no error: newer ones have no rename, only renameat2.
        options = ["-e", "trace=" + ",".join("?" + call for call in calls)]
        if only is not None:
            options += ["-P", str(only)]
        for one in inject:
            options += ["-e", f"inject={one}"]
        watch = ["strace", "-f", "-y", "-qq", "-s", "0", "-e", "signal=none", *options, "-o", str(log)]
        done = _run([*watch, "--", str(program), *map(str, args)], cwd, env, timeout)
        done.calls = parse_trace(log.read_text(errors="surrogateescape"), str(cwd))
    return done


_LINE = re.compile(r"(?P<process>\d+) +(?P<text>.*)")
_UNFINISHED = re.compile(r"(?P<begin>.*?),? *<unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
_CALL = re.compile(
    r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+|0x[0-9a-f]+|\?)(?:<(?P<opened>.*?)>(?:\(deleted\))?)?"
    r"(?: (?P<error>E[A-Z0-9]+) \([^()]*\))?(?P<injected> \(INJECTED\))?(?: \(DELAYED\))?$"
)
# A descriptor with its path, or a name; strace escapes quotes and angle brackets inside.
_PATH = re.compile(
    r'(?P<at>AT_FDCWD|(?<![\w"])\d+)<(?P<open>(?:[^<>\\]|\\.)*)>(?:\(deleted\))?|"(?P<name>(?:[^"\\]|\\.)*)"'
)
_TAKES_DIRECTORY = re.compile(r"(openat2?|\w+at2?)$")


def parse_trace(text, cwd):
    """The calls of what `strace -f -y -o` has written."""
    calls, begun = [], {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if not match:
            continue
        process, text = int(match["process"]), match["text"]
        if unfinished := _UNFINISHED.fullmatch(text):
            begun[process] = unfinished["begin"]
            continue
        if resumed := _RESUMED.fullmatch(text):
            # The end of the arguments may come with either half.
            text = begun.pop(process, resumed["name"] + "(") + resumed["rest"].lstrip()
            if not re.match(r"\w+\(", text):
                continue
        call = _CALL.fullmatch(text)
        if not call:
            if not text.startswith(("+++", "---")):
                raise ValueError(f"strace said what is not understood: {line}")
            continue
        result = None if call["result"] == "?" else int(call["result"], 0)
        calls.append(
            Call(
                process=process,
                name=call["name"],
                paths=_paths(call["name"], call["arguments"], cwd),
                arguments=call["arguments"],
                result=result,
                error=call["error"],
                injected=bool(call["injected"]),
            )
        )
    # Calls in which the process was killed.
    for process, begin in begun.items():
        name, _, arguments = begin.partition("(")
        calls.append(Call(process, name, _paths(name, arguments, cwd), arguments, None, None))
    return calls


def _paths(name, arguments, cwd):
    """Names are relative to the descriptor before them where the call takes one, else to the working directory."""
    paths, directory = [], None
    takes_directory = _TAKES_DIRECTORY.match(name)
    for match in _PATH.finditer(arguments):
        if match["at"]:
            here = _unescape(match["open"])
            if takes_directory:
                directory = here
            else:
                paths.append(here)
        elif match["name"] or name not in ("read", "write", "pread64", "pwrite64", "writev"):
            paths.append(os.path.normpath(os.path.join(directory or cwd, _unescape(match["name"]))))
    return paths


def _unescape(text):
    if "\\" not in text:
        return text
    plain = re.sub(
        rb"\\([0-7]{1,3}|x[0-9a-f]{2}|.)",
        lambda m: _escaped_byte(m[1]),
        text.encode("utf-8", "surrogateescape"),
    )
    return plain.decode("utf-8", "surrogateescape")


def _escaped_byte(code):
    if code[:1] == b"x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    if code[:1].isdigit():
        return bytes([int(code, 8)])
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}.get(code, code)


# --- Faults ---


@dataclass
class Fault:
    """What goes wrong: the calls of a name on paths like `path` (* stands for anything), from the `first` on, have
    these outcomes one after the other: an errno's name, "short" (half of a write, which really happens), "ok", or
    "kill" (the process is gone before the call). `for_good`: the last outcome is that of all later calls, too. Of a
    rename the path is the one it leads to. The names of calls are those of C, in faulty_disk.c."""

    call: str
    outcomes: tuple[str, ...]
    path: str = "*"
    first: int = 1
    for_good: bool = False


@functools.cache
def _shim():
    compiler = shutil.which("cc")
    if not compiler:
        return None
    folder = tempfile.TemporaryDirectory(prefix="faulty-disk-")
    library = Path(folder.name) / "faulty_disk.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM_SOURCE)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder, library  # the folder goes with the process


def with_fault(program, args, fault, *, cwd=None, env=None, timeout=120):
    """Runs a program on a disk with a fault and returns its Outcome. A test should look at `hits`: a fault that never
    came proves nothing."""
    shim = _shim()
    if shim is None:
        pytest.skip("no C compiler (cc) for tests/support/faulty_disk.c")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "hits"
        faulty = {
            "LD_PRELOAD": str(shim[1]),
            "FAULTY_CALL": fault.call,
            "FAULTY_PATH": fault.path,
            "FAULTY_FIRST": str(fault.first),
            "FAULTY_OUTCOMES": ",".join(fault.outcomes),
            "FAULTY_LOG": str(log),
        }
        if fault.for_good:
            faulty["FAULTY_FOR_GOOD"] = "1"
        environment = {k: v for k, v in (os.environ if env is None else env).items() if not k.startswith("FAULTY_")}
        # AddressSanitizer wants to be the first library otherwise.
        sanitizer = ":".join(filter(None, [environment.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        done = _run([str(program), *map(str, args)], cwd, environment | faulty | {"ASAN_OPTIONS": sanitizer}, timeout)
        if log.exists():
            lines = os.fsdecode(log.read_bytes()).splitlines()
            done.hits = [tuple(line.split(" ", 2)) for line in lines]
    return done


def _run(command, cwd, env, timeout):
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, check=False, timeout=timeout)
    return Outcome(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))
