"""The benchmarks run: tiny workloads, ours and pyarrow, every answer compared. No time is looked at."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ["SIGNALBOOK_PROGRAM"]).parent
LAYOUTS = "packed,files"

pytestmark = pytest.mark.skipif(not (PROGRAMS / "bench_end_to_end").exists(), reason="the benchmarks are not built")


def suite(*arguments):
    command = [
        sys.executable,
        "-m",
        "suite",
        "--scale",
        "tiny",
        "--programs",
        PROGRAMS,
        "--layouts",
        LAYOUTS,
        *arguments,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "benchmarks"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
    )


def options(folder):
    """No peer is installed there: pyarrow is the one that the tests have."""
    return [
        "--turns",
        1,
        "--peers",
        "pyarrow",
        "--work",
        folder,
        "--venvs",
        folder / "none",
        "--publish",
        folder / "out",
    ]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmarks")
    done = suite(*options(folder), "--slow", "--skip", "metrics-x100k", "--skip", "alike*")
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "out/benchmarks/results.json").read_text()), done


def test_every_task_is_measured_and_nothing_fails(measured):
    _, results, done = measured
    assert "FAILED" not in done.stderr
    assert "WRONG" not in done.stderr
    for name, task in results["tasks"].items():
        assert task["measured"], name
        for contestant, turns in task["measured"].items():
            assert len(turns) == 1, (name, contestant)
            assert turns[0]["seconds"] > 0
        for contestant, reason in task["left_out"].items():
            assert not contestant.startswith("signalbook"), (name, contestant, reason)


def test_what_is_left_out_is_named(measured):
    _, results, done = measured
    left_out = results["tasks"]["read-g1640"]["left_out"]
    assert left_out["zarr, dense"] == "not asked for"
    assert "zarr, dense: LEFT OUT" in done.stderr


def test_answers_are_compared(measured):
    """Ours and theirs give the matrix back that was given."""
    _, results, _ = measured
    read = results["tasks"]["read-g1640"]["measured"]
    digests = {name: turns[0]["answer"]["sha256"] for name, turns in read.items()}
    assert {
        "signalbook, packed",
        "signalbook, files",
        "pyarrow, one packed file",
        "pyarrow, tuned, a file a strategy",
    } <= set(digests)
    assert len(set(digests.values())) == 1


def test_a_wrong_answer_is_seen(measured):
    """A store that lost a change: exit status 1, and the contestant is named."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder, _, _ = measured
    (place,) = (folder / "tiny/outcomes/store-g1640").glob("pyarrow--one-packed-file/*")
    whole = (place / "packed.parquet").read_bytes()
    table = pq.read_table(place / "packed.parquet")
    pq.write_table(pa.concat_tables([table.slice(0, 5), table.slice(6)]), place / "packed.parquet")
    done = suite(*options(folder), "--only", "read-g1640", "--again")
    (place / "packed.parquet").write_bytes(whole)
    assert done.returncode == 1
    assert re.search("WRONG ANSWER: read-g1640: pyarrow, one packed file: sha256 is", done.stderr)
    assert suite(*options(folder), "--only", "read-g1640", "--again").returncode == 0


def test_what_is_measured_is_not_measured_again(measured):
    folder, results, _ = measured
    done = suite(*options(folder), "--only", "store-g1640", "--slow")
    assert done.returncode == 0
    assert "took" not in done.stderr
    again = json.loads((folder / "out/benchmarks/results.json").read_text())
    assert again["tasks"]["store-g1640"] == results["tasks"]["store-g1640"]
    more = suite(*options(folder), "--only", "store-g1640", "--turns", 2)
    assert more.stderr.count(" 2/2: ") == len(results["tasks"]["store-g1640"]["measured"])


def test_tables_stand_between_their_markers(measured):
    folder, _, _ = measured
    page = folder / "out/docs/benchmarks.md"
    text = page.read_text()
    assert "| signalbook, packed |" in text
    assert "slope" in text
    page.write_text("By hand.\n\n<!-- measured: record -->\nold\n<!-- end -->\n\nBelow.\n")
    done = suite(*options(folder), "--report")
    assert done.returncode == 0
    assert "no place for machine" in done.stderr
    again = page.read_text()
    assert again.startswith("By hand.\n\n<!-- measured: record -->\nTaking the events")
    assert again.endswith("<!-- end -->\n\nBelow.\n")
    page.write_text(text)


def test_the_page_has_a_place_for_every_table():
    done = suite("--list")
    names = re.findall(r"^(\S+)", done.stdout, re.MULTILINE)
    page = (ROOT / "docs/benchmarks.md").read_text()
    places = re.findall(r"<!-- measured: (\S+) -->", page)
    curves = {name for name in names if name.startswith("curve-")}
    assert set(places) == set(names) - curves | {"machine", "targets", "curves"}
    assert len(places) == len(set(places))


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return lambda name: importlib.import_module(f"suite.{name}")


def test_a_slope_is_the_exponent(load):
    points = {x: {"bytes": 3 * x**1.5} for x in (10, 100, 1_000)}
    assert abs(load("report").slope(points, "bytes") - 1.5) < 1e-12


def test_differences(load):
    differences = load("results").differences
    assert not differences({"rows": 3, "sum": 1.0000000001}, {"rows": 3, "sum": 1.0})
    assert "rows is 2 in place of 3" in differences({"rows": 2}, {"rows": 3})
    assert differences({}, {"rows": 3})
    assert differences({"sum": 1.001}, {"sum": 1.0})


def test_random_changes_are_changes(load):
    idx, val = load("workloads").random_changes(50, 20, 30, 1)
    assert (idx[:, 0] == 0).all()
    assert (idx[:, 1:] > idx[:, :-1]).all()
    assert idx.max() < 30
    assert (val[:, 1:] != val[:, :-1]).all()
    assert set(val.ravel().tolist()) == {-1, 0, 1}


def test_configurations_are_all_different(load):
    make = load("workloads").mixed_config
    texts = {json.dumps(make(n), sort_keys=True) for n in range(50_000)}
    assert len(texts) == 50_000


def test_requirements_are_pinned_with_hashes():
    for path in (ROOT / "benchmarks/requirements").glob("*.txt"):
        for block in re.split(r"\n(?=\S)", path.read_text().strip()):
            if not block.startswith("#"):
                assert re.match(r"[\w.-]+==\S+ ", block), (path.name, block)
                assert "--hash=sha256:" in block, (path.name, block)
