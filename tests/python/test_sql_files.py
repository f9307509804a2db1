"""The statements of tests/sql/*.test, each run as it is written, twice, from every directory that it names.

A file is a list of cases:

    === what it shows
    from: run, store, above      the working directories: results/run_1, results, and the folder around it
    store: scored                which of conftest's stores (plain unless it says so)
    scope: results/scored        in place of --store, seen from the folder around
    columns: strategy_id, idx    which columns of the result are compared (all unless it says so)
    unordered                    rows in any order
    options: --unconfined        for the program
    --- statement
    SELECT ...
    --- rows [directories]       as CSV; for these directories alone when there are some
    --- error [directories]      or a part of the message, beginning with the exit status

UPDATE_GOLDEN=1 writes what comes out in place of the rows that are there; look at them before you keep them.
"""

import csv
import io
import os
import re
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).resolve().parents[1] / "sql").glob("*.test"))
PLACES = {"run": "results/run_1", "store": "results", "above": "."}


class Case:
    """One case of a file. `sections` are [kind, places, text]."""

    def __init__(self, text):
        head, *sections = re.split(r"^--- ?", text, flags=re.MULTILINE)
        self.name, *lines = head.strip().splitlines()
        self.unordered = "unordered" in lines
        self.options = dict(line.split(": ", 1) for line in lines if ": " in line)
        unknown = set(self.options) - {"from", "store", "scope", "columns", "options"}
        assert not unknown and set(lines) <= {"unordered"} | {f"{k}: {v}" for k, v in self.options.items()}, head
        self.sections = []
        for section in sections:
            title, _, body = section.partition("\n")
            kind, *places = title.replace(",", " ").split()
            assert kind in ("statement", "rows", "error") and set(places) <= set(PLACES), title
            self.sections.append([kind, places, body])
        kinds = [kind for kind, _, _ in self.sections]
        assert kinds.count("statement") == 1 and len(kinds) > 1, head
        self.statement = next(body for kind, _, body in self.sections if kind == "statement").rstrip("\n")
        self.places = self.options.get("from", "store").split(", ")

    def expected(self, place):
        """The section for a directory."""
        found = [s for s in self.sections if s[0] != "statement" and (place in s[1] or not s[1])]
        assert len(found) == 1, (self.name, place)
        return found[0]

    def text(self):
        lines = [self.name, *(f"{k}: {v}" for k, v in self.options.items())] + ["unordered"] * self.unordered
        parts = [f"=== {chr(10).join(lines)}\n"]
        for kind, places, body in self.sections:
            parts.append(f"--- {' '.join([kind, ', '.join(places)]).strip()}\n{body.rstrip()}\n")
        return "".join(parts)


def read_cases(path):
    preface, *cases = re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return preface, [Case(text) for text in cases]


def answer(program, folder, case, place):
    """Rows as CSV, or the exit status and the message."""
    scope = ["--store", folder / case.options["scope"]] if "scope" in case.options else []
    options = case.options.get("options", "").split()
    statement = case.statement
    outcome = program("sql", statement, "--format", "csv", "--quiet", *scope, *options, cwd=folder / PLACES[place])
    if outcome.code != 0:
        assert not outcome.raw or outcome.raw.count(b"\n") <= 1, "rows before an error"
        return "error", f"{outcome.code} {outcome.err}"
    rows = list(csv.reader(io.StringIO(outcome.out)))
    if "columns" in case.options:
        names = case.options["columns"].split(", ")
        rows = [[row[rows[0].index(name)] for name in names] for row in rows]
    if case.unordered:
        rows = rows[:1] + sorted(rows[1:])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return "rows", out.getvalue()


def in_order(text, unordered):
    lines = text.rstrip("\n").split("\n")
    return lines[:1] + sorted(lines[1:]) if unordered else lines


ALL = [(path, number, case) for path in FILES for number, case in enumerate(read_cases(path)[1])]


@pytest.mark.parametrize(
    ("path", "number", "place"),
    [(path, number, place) for path, number, case in ALL for place in case.places],
    ids=[f"{path.stem}: {case.name} ({place})" for path, _, case in ALL for place in case.places],
)
def test_statement(path, number, place, sql_stores, signalbook):
    preface, cases = read_cases(path)
    case = cases[number]
    folder = sql_stores[case.options.get("store", "plain")]
    for _ in range(2):  # another process, which opens the store anew
        kind, text = answer(signalbook, folder, case, place)
        section = case.expected(place)
        if "UPDATE_GOLDEN" in os.environ and kind == "rows":
            section[0], section[2] = kind, text
            path.write_text(preface + "\n".join(c.text() for c in cases), encoding="utf-8")
        assert kind == section[0], text
        if kind == "error":
            assert section[2].strip() in text
        else:
            assert in_order(text, case.unordered) == in_order(section[2], case.unordered)


def test_there_are_cases():
    assert len(ALL) > 20
    names = [(path, case.name) for path, _, case in ALL]
    assert len(names) == len(set(names))


def test_a_wrong_answer_is_seen(sql_stores, signalbook):
    """The runner itself."""
    case = Case("x\nunordered\n--- statement\nSELECT unnest([2, 1]) AS a\n--- rows\na\n1\n2\n")
    assert answer(signalbook, sql_stores["plain"], case, "store") == ("rows", "a\n1\n2\n")
    assert in_order("a\n1\n2\n", True) != in_order("a\n1\n1\n2\n", True)
    assert in_order("a\n2\n1\n", False) != in_order("a\n1\n2\n", False)
    case = Case("x\n--- statement\nSELECT nope\n--- error\n2 signalbook\n")
    kind, text = answer(signalbook, sql_stores["plain"], case, "store")
    assert kind == "error" and text.startswith("2 signalbook: ")
