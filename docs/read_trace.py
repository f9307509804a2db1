"""Reads a trace file with pyarrow and nothing of ours: what docs/format.md says in words, as a program.

python read_trace.py TRACE.parquet [--dense N | --dense BARS.parquet]
"""

import hashlib
import struct
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def times(column):  # as text, in UTC; files older than the format have text already
    is_time = pa.types.is_timestamp(column.type)
    return column.cast(pa.timestamp(column.type.unit)).cast(pa.string()) if is_time else column


def trace_hash(idx, val, bar_count):
    labels = bool(val) and isinstance(val[0], str)
    body = b"SBT1" + struct.pack(f"<Bqq{len(idx)}q", labels, bar_count, len(idx), *idx)
    for v in val:  # -0.0 + 0.0 is 0.0
        body += struct.pack("<I", len(v.encode())) + v.encode() if labels else struct.pack("<d", v + 0.0)
    return hashlib.sha256(body).hexdigest()[:32]


path, dense = Path(sys.argv[1]), (sys.argv[3] if sys.argv[2:3] == ["--dense"] else None)
file = pq.ParquetFile(path, page_checksum_verification=True)
about = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
table = file.read()
idx, ts = table["idx"].to_pylist(), times(table["ts"]).to_pylist()
val = (table["val"] if pa.types.is_string(table["val"].type) else table["val"].cast(pa.float64())).to_pylist()
bars = times(pq.ParquetFile(dense).read(["ts"])["ts"]).to_pylist() if dense and not dense.isdigit() else None
bar_count = len(bars) if bars else int(dense or about.get("bar_count", -1))

for key, column in {"strategy_id": "strat", "strategy_hash": "strategy_hash", "strategy_config": "metadata"}.items():
    if column in table.column_names and len(idx) > 0:  # the columns say it too, where the file itself does not
        about.setdefault(key, table[column][0].as_py())
    print(f"{key}: {about.get(key, 'not given')}")
agrees = None
if "trace_hash" in about and bar_count >= 0:
    agrees = trace_hash(idx, val, bar_count) == about["trace_hash"]
verdict = {True: "agrees", False: "DOES NOT AGREE", None: "(not checked)"}[agrees]
print("trace_hash:", about.get("trace_hash", "not given"), verdict)

if dense is None:
    for bar, time, value in zip(idx, ts, val):
        print(bar, time, value)
else:  # a value holds from its change to the next one; before the first nothing was said
    said = dict(zip(idx, val))
    value = None
    for bar in range(bar_count):
        value = said.get(bar, value)
        print(bar, bars[bar] if bars else "", value)
sys.exit(agrees is False)
