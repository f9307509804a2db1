"""Writes small.journal beside it, from docs/format.md alone: none of the program's code is asked. Its bytes may not
change, for journals of old programs must be read for ever.

    python generate.py
"""

import json
import struct
from pathlib import Path


def crc32c(data):
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


journal = b""
frame_count = 0


def add_frame(payload, durable):
    global journal, frame_count
    header = struct.pack("<4sIqqI", b"SBJ1", len(payload), len(journal), durable, frame_count)
    journal += header + struct.pack("<I", crc32c(header + payload)) + payload
    frame_count += 1


def block(kind, item_count, body):
    return struct.pack("<IIQ", kind, item_count, len(body)) + body + b"\0" * (-len(body) % 8)


def head(position, feeds, strategies, traces, labels):
    return block(1, 1, struct.pack("<qIIII", position, feeds, strategies, traces, labels))


def texts(*values):
    values = [value.encode() for value in values]
    return b"".join(struct.pack("<I", len(value)) for value in values) + b"".join(values)


about = {
    "journal_version": 1,
    "writer": "main",
    "segment": 2,
    "continues_at": 4096,
    "created_at": 1735043696000000,
    "code_version": "v1.2",
    "note": None,
    "tags": {"who": "it's me", "n": "3"},
    "missing": "hold",
}
text = json.dumps(about, separators=(",", ":")).encode()
add_frame(text + b" " * (-len(text) % 8), 0)
add_frame(
    head(0, 0, 0, 0, 0)
    + block(2, 1, struct.pack("<q", 16614) + texts("SPY", "5m", "d" * 64))
    + block(3, 2, texts("strategy_0", '{"rsi":{"period":14}}') + texts("é", "{}"))
    + block(4, 2, struct.pack("<II", 0, 0) + struct.pack("<II", 1, 0)),
    0,
)
synced = len(journal)
add_frame(head(0, 1, 2, 2, 0), synced)
add_frame(
    head(100, 1, 2, 2, 0)
    + block(5, 2, texts("calm") + texts("wild"))
    + block(6, 2, struct.pack("<IId", 0, 30, 1.0) + struct.pack("<IId", 0, 45, -0.5))
    + block(7, 1, struct.pack("<IIII", 1, 2, 1, 0))
    + block(8, 1, struct.pack("<IId", 0, 45, 471.25)),
    synced,
)
add_frame(
    head(120, 1, 2, 2, 2)
    + block(9, 2, struct.pack("<IIII", 0, 1, 16613, 2) + struct.pack("<IIII", 1, 1, 60, 0xFFFFFFFF)),
    synced,
)
add_frame(head(121, 1, 2, 2, 2) + block(10, 1, b""), synced)
Path(__file__).with_name("small.journal").write_bytes(journal)
