"""A signal that comes in the middle of a call, and a write that takes only half: nobody may notice."""

import pytest
from conftest import (
    Signalbook,
    Workspace,
    make_signals,
    make_strategies,
    read_tree,
    wide_table,
)
from faults import Fault, with_fault


def record(folder, fault=None):
    """The files of a store with one run, and the faults that came."""
    folder.mkdir()
    signalbook = Signalbook(folder)
    workspace = Workspace(folder, signalbook)
    hits = []

    def faulty(*arguments):
        done = with_fault(signalbook.program, arguments, fault, cwd=folder, env=signalbook.environment)
        hits.extend(done.hits)
        return done

    if fault:
        workspace.signalbook = faulty
    workspace.record(signals=wide_table(make_signals(200, 12)), strategies=make_strategies(12))
    return read_tree(workspace.store), hits


@pytest.mark.parametrize(
    "call, outcome",
    [(call, "EINTR") for call in ["open", "read", "write", "close", "fsync", "fdatasync", "syncfs", "rename", "flock"]]
    + [("write", "short"), ("read", "short")],
)
def test_a_call_that_is_cut_off_is_made_again(tmp_path, call, outcome):
    expected, _ = record(tmp_path / "plain")
    # Each call is cut off, made again, and the next one twice.
    outcomes = (outcome, "ok", outcome, outcome, "ok") * 8
    found, hits = record(tmp_path / "faulty", Fault(call, outcomes, path="*/faulty/results/*"))
    assert found == expected
    assert hits, "no such call was made"
