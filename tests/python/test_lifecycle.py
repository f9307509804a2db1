"""Runs that are exported, imported, listed and removed, and what gc takes away: with stock tar, and with tars that
nobody should trust."""

import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
import time

import pytest
from conftest import (
    EPOCH,
    Signalbook,
    Workspace,
    make_bars,
    make_signals,
    make_strategies,
    read_tree,
    wide_table,
)

BARS, STRATEGIES = 200, 4


def record(workspace, run="run_1", seed=1, options=(), **content):
    content = {"bars": make_bars(BARS, seed=seed)} | content
    signals = wide_table(make_signals(BARS, STRATEGIES, seed=seed))
    return workspace.record(*options, run=run, strategies=make_strategies(STRATEGIES), signals=signals, **content)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A store with one run, and its tar."""
    folder = tmp_path_factory.mktemp("exported")
    workspace = Workspace(folder, Signalbook(folder))
    record(workspace, options=["--tag", "sample=in", "--note", "a note"])
    workspace.signalbook.ok("analyze", "results", "--name", "cost5", "--cost-bps", 5)
    workspace.signalbook.ok("export", "results/run_1", "run.tar")
    return workspace


def entries(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def write_tar(path, files, extra=(), form=tarfile.PAX_FORMAT):
    """`files`: name -> bytes. `extra`: (TarInfo, bytes or None), behind them."""
    with tarfile.open(path, "w", format=form) as tar:
        members = [(tarfile.TarInfo(name), data) for name, data in files.items()]
        for info, data in members + list(extra):
            if data is not None:
                info.size = len(data)
            tar.addfile(info, None if data is None else io.BytesIO(data))
    return path


def without_mark(folder):
    return {name: data for name, data in read_tree(folder).items() if not name.startswith(".signalbook")}


# --- There and back ---


def test_round_trip(exported, tmp_path):
    store = tmp_path / "results"
    shutil.copytree(exported.store, store)
    signalbook = Signalbook(tmp_path)
    before, rows = read_tree(store), signalbook.query("SELECT * FROM strategies ORDER BY ALL")
    out = signalbook.ok("export", "run_1", "run.tar").out
    assert out.startswith("exported results/run_1 to run.tar: ")
    signalbook.ok("rm", "run_1")
    assert not (store / "run_1").exists()
    signalbook.ok("gc", "--delete")
    assert without_mark(store) == {}
    signalbook.ok("import", "run.tar")
    assert read_tree(store) == before
    assert signalbook.query("SELECT * FROM strategies ORDER BY ALL") == rows
    assert "every file is the one that was recorded" in signalbook.ok("verify", "--deep", "results").out
    signalbook.ok("export", "run_1", "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "run.tar").read_bytes()


def test_stock_tar_reads_it(exported, tmp_path):
    tar = exported.folder / "run.tar"
    listed = subprocess.run(["tar", "tf", tar], check=True, capture_output=True, text=True)
    names = listed.stdout.splitlines()
    assert names == sorted(names) and not listed.stderr
    assert set(names) == set(without_mark(exported.store))
    subprocess.run(["tar", "xf", tar, "-C", tmp_path], check=True)
    assert read_tree(tmp_path) == without_mark(exported.store)
    with tarfile.open(tar) as opened:
        for member in opened:
            assert (member.mtime, member.uid, member.gid, member.mode) == (EPOCH, 0, 0, 0o644)
            assert member.isreg() and not member.pax_headers


def test_two_exports_are_equal(exported, tmp_path):
    """Whatever the times, modes and names on the disk."""
    store = tmp_path / "elsewhere"
    shutil.copytree(exported.store, store)
    for path in store.rglob("*.parquet"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    streamed = Signalbook(tmp_path).ok("export", store / "run_1", "-")
    assert streamed.raw == (exported.folder / "run.tar").read_bytes() and "exported" in streamed.err


@pytest.mark.parametrize("flag", ["--format=ustar", "--format=gnu", "--format=pax"])
def test_a_run_packed_by_stock_tar(exported, tmp_path, flag):
    for what in (["run_1", "bars"], ["."]):
        tar = tmp_path / "packed.tar"
        command = ["tar", "cf", tar, flag, "--exclude=.signalbook", "-C", exported.store, *what]
        subprocess.run(command, check=True)
        signalbook = Signalbook(tmp_path)
        signalbook.ok("import", tar, "--store", "new")
        assert without_mark(tmp_path / "new") == without_mark(exported.store)
        shutil.rmtree(tmp_path / "new")


def test_names_of_runs(exported, tmp_path):
    signalbook = Signalbook(tmp_path)
    long = "r" * 250
    for name in ("прогон 1", long, "a~b", "-x", "日本"):
        signalbook.ok("import", exported.folder / "run.tar", f"--as={name}", "--store", "results")
        signalbook.ok("export", f"results/{name}", "run.tar")
        assert {path.split("/")[0] for path in entries(tmp_path / "run.tar")} == {name, "bars"}
        signalbook.ok("rm", f"results/{name}")
        signalbook.ok("import", "run.tar", "--store", "results")
        assert "every file" in signalbook.ok("verify", f"results/{name}").out
        os.unlink(tmp_path / "run.tar")


def test_import_from_a_pipe(exported, tmp_path):
    signalbook = Signalbook(tmp_path)
    tar = (exported.folder / "run.tar").read_bytes()
    out = signalbook.ok("import", "-", "--store", "results", stdin=tar).out
    assert (
        out
        == f"imported results/run_1: {STRATEGIES} traces, {changes(exported)} changes, 1 file of bars (1 new here)\n"
    )
    assert signalbook("import", "-", "--store", "results", stdin=tar).code == 2
    out = signalbook.ok("import", "-", "--as", "run_2", "--store", "results", stdin=tar).out
    assert "1 file of bars (0 new here)" in out


def changes(workspace):
    return sum(row["change_count"] for row in workspace.signalbook.query("SELECT change_count FROM strategies"))


def test_export_refuses(exported, tmp_path):
    signalbook = Signalbook(tmp_path)
    shutil.copytree(exported.store, tmp_path / "results")
    (tmp_path / "run.tar").write_text("mine")
    assert signalbook("export", "run_1", "run.tar").code == 2
    assert (tmp_path / "run.tar").read_text() == "mine"
    bars = next((tmp_path / "results" / "bars").iterdir())
    trace = next((tmp_path / "results" / "run_1" / "traces").rglob("*.parquet"))
    for path in (bars, trace, tmp_path / "results" / "run_1" / "run.json"):
        data = path.read_bytes()
        path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
        refused = signalbook("export", "run_1", "new.tar")
        assert refused.code == 3 and "no tar is made of a damaged run" in refused.err
        assert not list(tmp_path.glob("new.tar*"))
        assert signalbook("export", "run_1", "-").raw == b""
        path.write_bytes(data)
    os.unlink(tmp_path / "results" / "run_1" / "strategy_index.parquet")
    refused = signalbook("export", tmp_path / "results" / "run_1", "new.tar")
    assert refused.code == 1 and "signalbook recover" in refused.err


def test_what_is_none_of_the_run_is_left_out(exported, tmp_path):
    shutil.copytree(exported.store, tmp_path / "results")
    (tmp_path / "results" / "run_1" / "notes.txt").write_text("mine")
    done = Signalbook(tmp_path).ok("export", "run_1", "run.tar")
    assert "left out: results/run_1/notes.txt" in done.err
    assert (tmp_path / "run.tar").read_bytes() == (exported.folder / "run.tar").read_bytes()


def test_packs(workspace, tmp_path):
    """A run whose traces lie in few files goes the same way."""
    signalbook = workspace.signalbook
    workspace.layouts = {"": "packed"}
    run = record(workspace)
    packs = list(run.rglob("*-00000.parquet"))
    assert packs and not list(run.rglob("sma_cross"))
    assert signalbook("verify", "results").code == 0
    before = read_tree(workspace.store)
    rows = {row["run_id"]: row for row in signalbook.ok("runs", "--format", "json").json}
    size = sum(len(data) for name, data in before.items() if name.startswith("run_1/"))
    assert (rows["run_1"]["layout"], rows["run_1"]["bytes"]) == ("packed", size)
    assert signalbook.ok("export", "run_1", "run.tar").err == ""
    signalbook.ok("rm", "run_1")
    signalbook.ok("gc", "--delete")
    signalbook.ok("import", "run.tar")
    assert read_tree(workspace.store) == before
    files = entries(tmp_path / "run.tar")
    name = next(name for name in files if name.endswith("-00000.parquet"))
    for place in range(0, len(files[name]), max(len(files[name]) // 20, 1)):
        data = bytearray(files[name])
        data[place] ^= 1
        write_tar(tmp_path / "bad.tar", files | {name: bytes(data)})
        assert signalbook("import", "bad.tar", "--as", "copy").code == 3
    write_tar(tmp_path / "bad.tar", {path: data for path, data in files.items() if path != name})
    assert signalbook("import", "bad.tar", "--as", "copy").code == 3
    assert read_tree(workspace.store) == before


# --- Tars that nobody should trust ---


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def device(name, kind):
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


def sparse_file(name):
    """A GNU file with a hole: little in the tar, much on the disk."""
    info = tarfile.TarInfo(name)
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1",
                        "GNU.sparse.size": "1000000000000", "GNU.sparse.numblocks": "1"}  # fmt: skip
    return info


HOSTILE = {
    "absolute": [(tarfile.TarInfo("/tmp/evil"), b"x")],
    "above": [(tarfile.TarInfo("../evil"), b"x")],
    "above, from the run": [(tarfile.TarInfo("run_1/../../evil"), b"x")],
    "above, from the bars": [(tarfile.TarInfo("bars/../evil.parquet"), b"x")],
    "the store's own": [(tarfile.TarInfo(".signalbook/store.json"), b"{}")],
    "another run": [(tarfile.TarInfo("run_0/strategy_index.parquet"), b"x")],
    "another run's directory": [(device("run_0", tarfile.DIRTYPE), None)],
    "a symbolic link": [(link("run_1/notes", "/etc/passwd"), None)],
    "a directory that is a link": [(link("run_1/metrics2", "/tmp"), None), (tarfile.TarInfo("run_1/metrics2/x"), b"x")],
    "a hard link": [(link("run_1/x", "run_1/run.json", tarfile.LNKTYPE), None)],
    "a hard link out": [(link("run_1/x", "/etc/passwd", tarfile.LNKTYPE), None)],
    "a pipe": [(device("run_1/x", tarfile.FIFOTYPE), None)],
    "a device": [(device("run_1/x", tarfile.CHRTYPE), None)],
    "twice": [(tarfile.TarInfo("run_1/run.json"), b"{}")],
    "twice but for case": [(tarfile.TarInfo("run_1/RUN.JSON"), b"{}")],
    "a journal": [(tarfile.TarInfo("run_1/.journal/main-0001.journal"), b"x")],
    "a lock": [(tarfile.TarInfo("run_1/.lock"), b"")],
    "in flight": [(tarfile.TarInfo("run_1/run.json.tmp"), b"x")],
    "a file as directory": [(tarfile.TarInfo("run_1/run.json/x"), b"x")],
    "a trace of nobody": [(tarfile.TarInfo("run_1/traces/SPY_5m/signals/sma_cross/x.parquet"), b"x")],
    "other bars": [(tarfile.TarInfo(f"bars/{'0' * 64}.parquet"), b"x")],
    "no bars": [(tarfile.TarInfo("bars/notes.txt"), b"x")],
    "a line break": [(tarfile.TarInfo("run_1/a\nb"), b"x")],
    "no name": [(tarfile.TarInfo("/"), b"x")],
    "a hole": [(sparse_file("run_1/x.parquet"), b"x" * 512)],
    "the run as a file": [(tarfile.TarInfo("run_1"), b"x")],
    "a long name": [(tarfile.TarInfo("run_1/" + "x" * 300), b"x")],
    "a deep name": [(tarfile.TarInfo("run_1/" + "x/" * 3000 + "y"), b"x")],
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["first", "last"])
def test_hostile_tars(exported, tmp_path, name, place):
    folder = tmp_path / "inside"
    folder.mkdir()
    shutil.copytree(exported.store, folder / "results")
    (folder / "results" / "run_1").rename(folder / "results" / "run_0")
    before = read_tree(tmp_path)
    files = entries(exported.folder / "run.tar")
    tar = exported.folder / "hostile.tar"
    if place == "last":
        write_tar(tar, files, HOSTILE[name])
    else:
        write_tar(tar, {}, [*HOSTILE[name], *((tarfile.TarInfo(path), data) for path, data in files.items())])
    refused = Signalbook(folder)("import", tar, "--store", "results")
    assert refused.code in (2, 3) and refused.err.startswith("signalbook: "), refused
    assert read_tree(tmp_path) == before
    assert sorted(os.listdir(folder / "results" / ".signalbook" / "transit")) == []
    assert not os.path.exists("/tmp/evil")
    # And where there is no store yet none is left.
    assert Signalbook(folder)("import", tar, "--store", "new").code == refused.code
    assert not (folder / "new").exists()


def test_no_tars(exported, tmp_path):
    signalbook = Signalbook(tmp_path)
    whole = (exported.folder / "run.tar").read_bytes()
    bad = {
        "empty": b"", "text": b"hello\n" * 500, "zeros": bytes(10240), "compressed": gzip.compress(whole),
        "cut": whole[: len(whole) // 2], "cut in a header": whole[:700], "parquet": b"PAR1" + bytes(600) + b"PAR1",
    }  # fmt: skip
    for name, data in bad.items():
        (tmp_path / "bad.tar").write_bytes(data)
        refused = signalbook("import", "bad.tar", "--store", "results")
        assert refused.code in (2, 3) and "bad.tar: " in refused.err, (name, refused)
        assert os.listdir(tmp_path) == ["bad.tar"], name
    assert signalbook("import", "none.tar", "--store", "results").code == 1
    assert signalbook("import", tmp_path, "--store", "results").code == 2


def test_a_run_without_its_bars(exported, tmp_path):
    files = {name: data for name, data in entries(exported.folder / "run.tar").items() if not name.startswith("bars/")}
    write_tar(tmp_path / "run.tar", files)
    refused = Signalbook(tmp_path)("import", "run.tar", "--store", "results")
    assert refused.code == 3 and "bars/" in refused.err and not (tmp_path / "results").exists()


def test_import_keeps_to_its_store(exported, tmp_path):
    signalbook = Signalbook(tmp_path)
    shutil.copytree(exported.store, tmp_path / "results")
    before = read_tree(tmp_path)
    tar = exported.folder / "run.tar"
    for name in ("run_1", "../x", "/x", "bars", ".signalbook", "a/b", ".x"):
        assert signalbook("import", tar, "--as", name, "--store", "results").code == 2
    assert signalbook("import", tar, "--as", "").code == 2
    assert read_tree(tmp_path) == before
    store = tmp_path / "results" / ".signalbook" / "store.json"
    text = json.loads(store.read_text()) | {"format_version": 99}
    del text["sha256"]
    store.write_text(json.dumps(text))
    refused = signalbook("import", tar, "--as", "run_2", "--store", "results")
    assert refused.code == 2 and "newer" in refused.err


def test_an_import_that_is_killed(exported, tmp_path):
    """Wherever it is: the run is there or not, and it can be done again."""
    signalbook = Signalbook(tmp_path)
    tar = exported.folder / "run.tar"
    killed = 0
    for attempt in range(60 if "SIGNALBOOK_LONG_TESTS" in os.environ else 12):
        command = [signalbook.program, "import", tar, "--store", "results", "--as", f"run_{attempt}"]
        process = subprocess.Popen(command, cwd=tmp_path, env=signalbook.environment, stdout=subprocess.DEVNULL)
        time.sleep(0.002 * attempt)
        process.kill()
        killed += process.wait() != 0
        if not (tmp_path / "results" / f"run_{attempt}").exists():
            signalbook.ok("import", tar, "--store", "results", "--as", f"run_{attempt}")
    assert killed > 0
    signalbook.ok("gc", "--store", "results", "--delete")
    assert "every file" in signalbook.ok("verify", "results").out


# --- rm ---


def begin_stream(workspace, run):
    """A recording that goes on until it is ended."""
    bars = workspace.write("bars.parquet", make_bars(BARS))
    command = ["record", "--run", workspace.store / run, "--bars", bars, "--symbol", "SPY", "--timeframe", "5m"]
    process = subprocess.Popen(
        [workspace.signalbook.program, *map(str, command), "--signals", "-", "--ack", "--tag", "k=v"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=workspace.signalbook.environment,
    )  # fmt: skip
    process.stdin.write(b'{"strategy_id": "a", "idx": 0, "val": 1, "config": {"rsi": {"period": 14}}}\n')
    process.stdin.flush()
    assert process.stdout.readline() == b"acknowledged 1\n"
    return process


def test_a_run_that_is_written(workspace):
    record(workspace)
    process = begin_stream(workspace, "live")
    signalbook = workspace.signalbook
    before = read_tree(workspace.store)
    refused = signalbook("rm", "live", "--unfinished")
    assert refused.code == 2 and "is being written by main" in refused.err
    states = {row["run_id"]: row["state"] for row in signalbook.ok("runs", "--format", "json").json}
    assert states == {"run_1": "finished", "live": "being written"}
    assert signalbook.ok("gc", "--delete", "--format", "json").json == []
    assert read_tree(workspace.store) == before
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    states = {row["run_id"]: row["state"] for row in signalbook.ok("runs", "--format", "json").json}
    assert states == {"run_1": "finished", "live": "unfinished"}
    refused = signalbook("rm", "live")
    assert refused.code == 2 and "--unfinished" in refused.err and "signalbook recover" in refused.err
    assert (workspace.store / "live").exists()
    assert "(not finished)" in signalbook.ok("rm", "live", "--unfinished").out
    assert sorted(os.listdir(workspace.store)) == [".signalbook", "bars", "run_1"]


def test_rm(workspace):
    for run in ("run_1", "run_2", "run_3"):
        record(workspace, run)
    signalbook = workspace.signalbook
    before = read_tree(workspace.store)
    bytes_of = sum(len(data) for name, data in before.items() if name.startswith("run_1/"))
    out = signalbook.ok("rm", "run_1", "--dry-run").out
    assert out == f"would remove results/run_1: 7 files, {bytes_of:,} bytes\n"
    assert read_tree(workspace.store) == before
    assert signalbook.ok("rm", "results/run_1", "run_2").out.startswith(out.replace("would remove", "removed"))
    assert read_tree(workspace.store) == {k: v for k, v in before.items() if not k.startswith(("run_1/", "run_2/"))}
    assert signalbook.query("SELECT DISTINCT run_id FROM strategies") == [{"run_id": "run_3"}]
    assert signalbook("rm", "run_1").code == 1


def test_rm_refuses(workspace, tmp_path):
    record(workspace)
    shutil.copytree(workspace.store / "run_1", tmp_path / "alone")
    (workspace.store / "linked").symlink_to(tmp_path / "alone")
    (tmp_path / "mine").mkdir()
    before = read_tree(tmp_path)
    for path in ("results", "results/bars", "results/.signalbook", "alone", "mine", "results/linked", "results/run_1/traces",
                 ".", "/", "none", "results/none"):  # fmt: skip
        refused = workspace.signalbook("rm", path, "--unfinished")
        assert refused.code in (1, 2), path
        assert read_tree(tmp_path) == before, path


def test_rm_keeps_what_is_none_of_ours(workspace):
    run = record(workspace)
    (run / "notes.txt").write_text("mine")
    out = workspace.signalbook.ok("rm", "run_1").out
    kept = workspace.store / ".signalbook" / "lost+found" / "run_1-1"
    assert (kept / "notes.txt").read_text() == "mine" and (kept / "NOTE.txt").exists()
    assert "run_1/notes.txt: no file of a run, moved to" in out


# --- gc ---


def test_gc_bars(workspace):
    record(workspace, "run_1", seed=1)
    record(workspace, "run_2", seed=2)
    signalbook = workspace.signalbook
    assert signalbook.ok("gc", "--format", "json").json == []
    bars = {
        row["run_id"]: row["data_id"] for row in signalbook.query("SELECT DISTINCT run_id, data_id FROM strategies")
    }
    signalbook.ok("rm", "run_1")
    path = f"bars/{bars['run_1']}.parquet"
    (workspace.store / "bars" / "notes.txt").write_text("mine")
    before = read_tree(workspace.store)
    found = signalbook.ok("gc", "--format", "json").json
    why = "no run of this store refers to these bars"
    assert found == [{"path": path, "bytes": len(before[path]), "action": "would be removed", "why": why}]
    assert read_tree(workspace.store) == before
    run_json = workspace.store / "run_2" / "run.json"
    text = run_json.read_text()
    run_json.write_text("{}")
    kept = signalbook.ok("gc", "--delete", "--format", "json")
    assert kept.json == [] and "run_2/run.json" in kept.err and "no bars are removed" in kept.err
    run_json.write_text(text)
    assert read_tree(workspace.store) == before
    done = signalbook.ok("gc", "--delete", "--format", "json")
    assert done.json == [found[0] | {"action": "removed"}] and f"{len(before[path]):,} bytes removed" in done.err
    assert read_tree(workspace.store) == {k: v for k, v in before.items() if k != path}


def test_gc_catalogue(workspace):
    record(workspace)
    signalbook = workspace.signalbook
    signalbook.ok("catalog", "--refresh")
    record(workspace, "run_2", seed=2)
    signalbook.ok("catalog", "--rebuild")
    folder = workspace.store / ".signalbook" / "catalog"
    manifest = (folder / "manifest.json").read_text()
    named = {path.name for path in folder.iterdir() if path.name in manifest}
    (folder / "left.parquet.tmp").write_text("x")
    (folder / "notes.txt").write_text("mine")
    stale = {path.name for path in folder.glob("*.parquet*")} - named
    assert len(stale) > 1 and named
    # Somebody may be reading them.
    assert signalbook.ok("gc", "--delete", "--format", "json").json == []
    hour_ago = time.time() - 3600
    for path in folder.iterdir():
        os.utime(path, (hour_ago, hour_ago))
    found = signalbook.ok("gc", "--format", "json").json
    assert {row["path"] for row in found} == {f".signalbook/catalog/{name}" for name in stale}
    assert stale <= set(os.listdir(folder))
    assert len(signalbook.ok("gc", "--delete", "--format", "json").json) == len(stale)
    assert {path.name for path in folder.iterdir()} >= named | {"manifest.json", "notes.txt"}
    assert not stale & set(os.listdir(folder))
    assert "every file" in signalbook.ok("verify", "results").out
    assert len(signalbook.query("SELECT * FROM strategies")) == 2 * STRATEGIES


def test_gc_leftovers(exported, tmp_path):
    signalbook = Signalbook(tmp_path)
    signalbook.ok("import", exported.folder / "run.tar", "--store", "results")
    before = read_tree(tmp_path)
    transit = tmp_path / "results" / ".signalbook" / "transit"
    shutil.copytree(tmp_path / "results" / "run_1", transit / "import-1" / "run_2")
    shutil.copytree(tmp_path / "results" / "run_1", transit / "removed-7" / "run_3")
    (transit / "garbage-1").mkdir()
    bars = next((tmp_path / "results" / "bars").iterdir())
    bars.rename(transit / "garbage-1" / bars.name)
    verified = signalbook("verify", "results")
    assert verified.code == 3 and all(name in verified.out for name in ("import-1", "removed-7", "garbage-1"))
    assert len(signalbook.query("SELECT DISTINCT run_id FROM strategies")) == 1
    found = signalbook.ok("gc", "--format", "json").json
    assert [row["action"] for row in found].count("would be put back") == 1 and len(found) == 4
    signalbook.ok("gc", "--delete")
    assert read_tree(tmp_path) == before
    assert "every file" in signalbook.ok("verify", "results").out


# --- runs ---


def test_runs(workspace):
    record(workspace, "run_1", options=["--tag", "sample=in", "--tag", "who=me", "--note", "a note"])
    record(workspace, "run_2", seed=2, options=["--tag", "sample=out", "--code-version", "abc"])
    record(workspace, "other")
    signalbook = workspace.signalbook
    listed = signalbook.ok("runs", "--format", "json")
    rows = {row["run_id"]: row for row in listed.json}
    assert list(rows) == ["other", "run_1", "run_2"]
    for run, row in rows.items():
        size = sum(path.stat().st_size for path in (workspace.store / run).rglob("*") if path.is_file())
        described = json.loads((workspace.store / run / "run.json").read_text())
        bars = workspace.store / "bars" / f"{described['feeds'][0]['data_id']}.parquet"
        assert (row["bytes"], row["bars_bytes"]) == (size, bars.stat().st_size)
        assert (row["strategies"], row["traces"]) == (STRATEGIES, STRATEGIES)
        assert (row["state"], row["layout"], row["changes"]) == ("finished", "files", described["counts"]["changes"])
    assert rows["run_1"]["tags"] == "sample=in, who=me" and rows["run_1"]["note"] == "a note"
    assert rows["run_2"]["code_version"] == "abc" and rows["other"]["tags"] is None
    assert f"3 runs, {sum(row['bytes'] for row in rows.values()):,} bytes" in listed.err

    def names(*options):
        return [row["run_id"] for row in signalbook.ok("runs", *options, "--format", "json").json]

    assert names("--run", "run_*") == ["run_1", "run_2"]
    assert names("--run", "run_*", "--tag", "sample=out") == ["run_2"]
    assert names("--tag", "sample=in", "--tag", "who=me") == ["run_1"]
    assert names("--tag", "sample=none") == []
    assert names("--sort-by", "run_id desc") == ["run_2", "run_1", "other"]
    assert names("--store", workspace.store / "run_1") == ["run_1"]
    assert names("--limit", 1) == ["other"]
    assert signalbook("runs", "--tag", "sample").code == 2
    assert signalbook("runs", "--run", "none").code == 1
    (workspace.store / "run_1" / "run.json").write_text("{")
    assert {row["run_id"]: row["state"] for row in signalbook.ok("runs", "--format", "json").json}["run_1"] == "damaged"
