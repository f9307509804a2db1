#!/usr/bin/env python3
"""Every #include in src points down, and each third-party library stays in the few files that need it."""

import re
import sys
from pathlib import Path

# What each folder may include besides itself.
FORMAT = {"base"}
ANALYTICS = FORMAT | {"format"}
STORE = ANALYTICS | {"analytics", "journal"}
MIDDLE = STORE | {"store"}
DOORS = MIDDLE | {"ingest", "migrate", "query", "study", "demo"}
MAY_INCLUDE = {
    "base": set(),
    "format": FORMAT,
    "analytics": ANALYTICS,
    "journal": ANALYTICS,
    "demo": {"base", "format"},
    "store": STORE,
    "ingest": MIDDLE,
    "migrate": MIDDLE,
    "study": MIDDLE,
    "query": MIDDLE,
    "cli": DOORS,
    "python": DOORS,
    "web": DOORS,
}

# Libraries by the beginning of their headers' names, and where they may appear. Of our headers only those that give
# Arrow a disk to work on are in here, which those files alone include.
ARROW_FILES = (
    r"store/(arrow_(sink|source)\.h|(arrow_table|pack_file|pack_file_reader|pack_scan|parse_time|table_file|trace_file"
    r"|trace_file_reader)\.cpp)|ingest/(arrow_batch|(csv|ipc|parquet)_input)\.cpp"
    r"|cli/(drop_empty_columns|result_rows|output_parquet)\.cpp"
)
MAY_APPEAR = {
    "arrow/": ARROW_FILES,
    "parquet/": ARROW_FILES,
    "duckdb": r"query/database\.cpp",
    "simdjson": r"format/[^/]+\.cpp",
    "yaml-cpp/": r"ingest/[^/]+\.cpp",
    "openssl/": r"base/[^/]+\.cpp",
    "isa-l": r"base/crc32c\.cpp",
    "archive": r"store/tar_file\.cpp",
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)


def violations(file, text):
    """What is wrong with the text of a file, named by its path in src."""
    layer = file.split("/")[0]
    if layer not in MAY_INCLUDE:
        yield f"{file}: '{layer}' is no layer"
        return
    for match in INCLUDE.finditer(text):
        header = match.group(1)
        place = f"src/{file}:{text.count(chr(10), 0, match.start(1)) + 1}: includes {header}"
        other = header.split("/")[0]
        if "/" in header and other in MAY_INCLUDE and other != layer and other not in MAY_INCLUDE[layer]:
            yield f"{place}, but {layer} is not above {other}"
        for library, files in MAY_APPEAR.items():
            if header.startswith(library) and not re.fullmatch(files, file):
                yield f"{place}, which belongs only in {files}"


# The check itself is checked: each of these must be found, or must not.
PLANTED = [
    ("format/a.cpp", '#include "store/store.h"', True),
    ("base/a.h", "# include <format/bars.h>", True),
    ("demo/a.cpp", '#include "store/store.h"', True),
    ("ingest/a.cpp", '#include "query/sql_engine.h"', True),
    ("query/a.cpp", '#include "cli/output.h"', True),
    ("store/store.cpp", "\n#include <arrow/api.h>", True),
    ("store/trace_file.h", "#include <parquet/arrow/writer.h>", True),
    ("ingest/a.h", "#include <yaml-cpp/yaml.h>", True),
    ("base/digest.h", "#include <openssl/evp.h>", True),
    ("query/sql_views.cpp", "#include <duckdb.h>", True),
    ("journal/a.cpp", '#include "store/store.h"', True),
    ("format/a.cpp", '#include "journal/journal_file.h"', True),
    ("journal/a.cpp", "#include <isa-l/crc.h>", True),
    ("store/export_run.cpp", "#include <archive_entry.h>", True),
    ("format/json_value.h", "#include <simdjson.h>", True),
    ("misc/a.cpp", "", True),
    ("store/trace_file.cpp", '#include <arrow/api.h>\n#include "format/bars.h"\n#include "base/status.h"', False),
    ("cli/main.cpp", '#include "demo/example_bars.h"\n#include "cli/output.h"\n#include <vector>', False),
    ("query/database.cpp", "#include <duckdb.h>", False),
    ("store/a.h", '#include "journal/journal_file.h"', False),
    ("base/crc32c.cpp", "#include <isa-l/crc.h>", False),
    ("base/a.cpp", '// #include "store/store.h"', False),
]


def main():
    blind = [p for p in PLANTED if bool(list(violations(*p[:2]))) != p[2]]
    for file, text, _ in blind:
        print(f"layering_test.py judges wrongly: {file}: {text.strip()}")

    src = Path(__file__).resolve().parent.parent / "src"
    files = sorted(path for path in src.rglob("*") if path.suffix in (".h", ".cpp"))
    found = [v for path in files for v in violations(path.relative_to(src).as_posix(), path.read_text("utf-8"))]
    print("\n".join(found + [f"{len(files)} files, {len(found)} violations"]))
    return 1 if blind or found else 0


if __name__ == "__main__":
    sys.exit(main())
