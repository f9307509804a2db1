"""`signalbook hash --lines` on generated input, against Python's own json and hashlib and the reference recipes."""

import hashlib
import importlib.util
import json
import math
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

CHUNK = 200  # lines sent again at most, after one was refused


def hash_lines(lines, *options):
    """What the program prints for each line (bytes), None for a line that it refuses, and the messages."""
    results, messages = [], []
    while len(results) < len(lines):
        rest = lines[len(results) :]
        if messages:
            rest = rest[:CHUNK]
        command = [os.environ["SIGNALBOOK_PROGRAM"], "hash", "--lines", *options, "-"]
        done = subprocess.run(command, input=b"".join(line + b"\n" for line in rest), capture_output=True, check=False)
        printed = done.stdout.decode("ascii").splitlines()
        results += printed
        if done.returncode == 0:
            assert len(printed) == len(rest)
        else:
            assert done.returncode == 2 and len(printed) < len(rest), done
            messages.append(done.stderr.decode())
            assert messages[-1].startswith("signalbook: ")
            results.append(None)
    return results, messages


@pytest.fixture(scope="module", autouse=True)
def integers_of_any_length():
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)


# --- One value in a configuration: the program writes what json.dumps writes ---
# (no key in these begins with an underscore, and what stands beside `parameters` is never null)


def no_constant(name):
    raise ValueError(name)


def expected_canonical(line):
    """What json makes of a configuration that is its own normal form, or None where it refuses the text."""
    try:
        config = json.loads(line.decode("utf-8"), parse_constant=no_constant)
        return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return None


def check_values(texts):
    """Every text alike: canonical, or refused. Returns how many were refused."""
    lines = [b'{"type":"x","parameters":{"v":' + text + b"}}" for text in texts]
    expected = [expected_canonical(line) for line in lines]
    actual, messages = hash_lines(lines, "--canonical")
    wrong = [(text, want, got) for text, want, got in zip(texts, expected, actual) if want != got]
    assert not wrong, f"{len(wrong)} of {len(texts)} differ, such as {wrong[:5]}"
    return len(messages)


def random_finite(r):
    while True:
        (value,) = struct.unpack("<d", struct.pack("<Q", r.getrandbits(64)))
        if math.isfinite(value):
            return value


def random_real(r):
    """Every range in which repr changes its ways, and what lies on their borders."""
    kind = r.randrange(8)
    if kind == 0:  # subnormal
        value = struct.unpack("<d", struct.pack("<Q", r.getrandbits(52)))[0]
    elif kind == 1:  # powers of ten and their neighbours
        value = float(f"1e{r.randint(-323, 308)}")
    elif kind == 2:  # powers of two and their neighbours
        value = math.ldexp(1.0, r.randint(-1074, 1023))
    elif kind == 3:  # where an exponent begins
        value = r.uniform(1, 10) * 10.0 ** r.choice([-6, -5, -4, -3, 14, 15, 16, 17])
    elif kind == 4:  # what people write
        value = r.randint(-100_000, 100_000) / 10 ** r.randint(0, 7)
    elif kind == 5:  # integers as reals, beyond 2**53 too
        value = float(r.getrandbits(r.randint(1, 90)))
    elif kind == 6:
        value = r.choice([0.0, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 9007199254740993.0])
    else:
        value = r.gauss(0, 1)
    for _ in range(r.choice([0, 0, 1, 2])):
        value = math.nextafter(value, r.choice([-math.inf, math.inf]))
    value = value if math.isfinite(value) else 1.0
    return -value if r.random() < 0.5 else value


def spell_real(r, value):
    """One of many texts that read as this real (or close to it: json.loads says which)."""
    text = r.choice([repr, repr, "{:.17g}".format, "{:.30e}".format, "{:.17E}".format])(value)
    if "." not in text and "e" not in text.lower():
        text += ".0"
    return text.replace("e+", r.choice(["e+", "e", "E", "E+00"]))


def digits(r, longest):
    return "".join(r.choices("0123456789", k=r.randint(1, longest)))


def random_number_text(r):
    """Any number that the grammar has, with no thought for what a double can hold."""
    whole = digits(r, r.choice([1, 3, 25, 400])).lstrip("0") or "0"
    fraction = "." + digits(r, r.choice([1, 3, 25, 800])) if r.random() < 0.6 else ""
    exponent = r.choice("eE") + r.choice(["", "+", "-"]) + digits(r, r.choice([1, 2, 2, 3])) if r.random() < 0.6 else ""
    return r.choice(["", "-"]) + whole + fraction + exponent


def random_integer(r):
    bits = r.choice([4, 31, 32, 52, 53, 54, 62, 63, 64, 65, 127, 128, 700, 1328])
    return r.choice([-1, 1]) * (
        2**bits + r.randint(-2, 2) if r.random() < 0.5 else r.randrange(10 ** r.randint(1, 400))
    )


SPECIAL = '"\\/\b\f\n\r\t\x00\x1f\x20\x7e\x7f\x80\u00e9\u07ff\u0800\u2028\ud7ff\ue000\ufffd\uffff\U00010000\U0001f600\U0010ffff'
SURROGATES = "\ud800\udbff\udc00\udfff\ud83d\ude00"
SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def random_text(r):
    alphabet = [SPECIAL + "abc 09", SURROGATES, SPECIAL + SURROGATES, "abcdefgh"][r.randrange(4)]
    text = "".join(r.choices(alphabet, k=r.choice([0, 1, 2, 3, 8, 40, 100])))
    return text if r.random() < 0.9 else text + chr(r.randrange(0x110000))


def spell_text(r, text):
    """The characters as they are where JSON allows it, or escaped in one of the ways it knows."""
    escape_all = r.random()
    out = []
    for c in text:
        units = c.encode("utf-16-be", "surrogatepass")
        escaped = "".join(r.choice(["\\u{:04x}", "\\u{:04X}"]).format(u) for (u,) in struct.iter_unpack(">H", units))
        must = ord(c) < 0x20 or c in '"\\' or "\ud800" <= c <= "\udfff"
        if must or r.random() < escape_all:
            out.append(r.choice([escaped, SHORT.get(c, escaped)]))
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def space(r):
    return "".join(r.choices(" \t\r", k=r.choice([0, 0, 0, 1, 3])))


def random_document(r, depth):
    """A value as text, with white space, keys in any order and some of them twice."""
    kind = r.randrange(8 if depth > 0 else 5)
    if kind >= 5:
        size = r.choice([0, 1, 2, 3, 5, 20])
        items = [random_document(r, depth - 1) for _ in range(size)]
        if kind >= 6:
            keys = [
                "k" + random_text(r) if r.random() < 0.3 else r.choice("abcdefgz\u00e9\ufb00\U0001f600") for _ in items
            ]
            items = [spell_text(r, key) + space(r) + ":" + space(r) + item for key, item in zip(keys, items)]
        body = ",".join(space(r) + item + space(r) for item in items) or space(r)
        return "{" + body + "}" if kind >= 6 else "[" + body + "]"
    return [
        lambda: r.choice(["true", "false", "null"]),
        lambda: spell_real(r, random_real(r)),
        lambda: str(r.randint(-1000, 1000)),
        lambda: spell_text(r, random_text(r)),
        lambda: str(random_integer(r)),
    ][kind]()


def utf8(texts):
    return [text.encode("utf-8") for text in texts]


def test_reals_of_random_bits():
    r = random.Random(1)
    assert check_values(utf8(repr(random_finite(r)) for _ in range(50_000))) == 0


def test_reals_of_every_range_and_spelling():
    r = random.Random(2)
    assert check_values(utf8(spell_real(r, random_real(r)) for _ in range(50_000))) == 0


def test_numbers_of_the_grammar():
    r = random.Random(3)
    assert 0 < check_values(utf8(random_number_text(r) for _ in range(10_000))) < 1000  # 9e400 and the like


def test_integers_of_any_length():
    r = random.Random(4)
    assert check_values(utf8(str(random_integer(r)) for _ in range(10_000))) == 0
    assert check_values(utf8("-" * k + "9" * n for n in (4000, 5000) for k in (0, 1))) == 0


def test_texts_in_every_spelling():
    r = random.Random(5)
    assert check_values(utf8(spell_text(r, random_text(r)) for _ in range(20_000))) == 0


def test_every_character():
    texts = [json.dumps("".join(map(chr, range(start, start + 64)))) for start in range(0, 0x110000, 64)]
    assert check_values(utf8(texts)) == 0


def test_documents():
    r = random.Random(6)
    assert check_values(utf8(random_document(r, 4) for _ in range(10_000))) == 0


def test_broken_documents_are_refused_as_python_refuses_them():
    r = random.Random(7)
    pieces = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b".", b"e", b"\x00", b"\x1f", b"\xff", b"\xed\xa0\x80",
              b"\xc0\x80", b"t", b"null", b"NaN", b"\\u", b"\xef\xbb\xbf", b"//", b"'", b" ", b"1e999"]  # fmt: skip
    texts = []
    for _ in range(2_000):
        text = random_document(r, 2).encode("utf-8")[:300]
        at = r.randrange(len(text) + 1)
        texts.append(text[:at] + r.choice(pieces) + text[at + r.randrange(3) :])
    assert check_values(texts) > 500


def test_digests_are_those_of_the_canonical_text():
    r = random.Random(8)
    lines = utf8('{"type":"x","parameters":{"v":' + random_document(r, 2) + "}}" for _ in range(2_000))
    canonical, _ = hash_lines(lines, "--canonical")
    full, _ = hash_lines(lines, "--full")
    short, _ = hash_lines(lines)
    assert full == [hashlib.sha256(text.encode()).hexdigest() for text in canonical]
    assert short == [digest[:12] for digest in full]


# --- Whole configurations, in every spelling, against the reference ---

VALUES = [None, True, False, 0, 1, 2, 0.0, -0.0, 1.0, 2.0, 0.5, "", "a", "b", [], [1], [1.0], [True], [None], {}, {"a": 1, "b": [2]},
          {"b": [2.0], "a": True}, {"a": {"_x": 1, "y": 1}}, {"a": {"y": 1.0}}, 10**22, 1e22, 10**22 + 1, 2**53, 2.0**53, 2**53 + 1,
          2**63, 2.0**63, -(2**63), -(2.0**63), -(2**63) - 1]  # fmt: skip
NAMES = ["rsi", "sma", "bollinger_bands", "é", "constraints_", "Type", "0"]


def random_parameters(r):
    keys = ["period", "std", "name", "symbol", "type", "_private", "weight", "threshold", "parameters", "strategy"]
    return {k: r.choice(VALUES) for k in r.sample(keys, r.choice([0, 1, 2, 3]))}


def random_configuration(r, depth):
    kind, name = r.randrange(8 if depth > 0 else 5), r.choice(NAMES)
    if kind <= 1:
        config = {r.choice(["type", "strategy_type"]): name, "parameters": random_parameters(r)}
    elif kind <= 3:
        config = {name: random_parameters(r)}
    elif kind == 4:
        inner = random_configuration(r, 0)
        config = {"config": inner} if r.random() < 0.5 else {"strategy_type": inner.get("type", name), "config": inner}
        if r.random() < 0.9:
            return config
    elif kind <= 6:
        items = [random_configuration(r, depth - 1) for _ in range(r.choice([1, 2, 3]))]
        for _ in range(r.choice([0, 0, 1, 2])):
            items.insert(r.randrange(len(items) + 1), {r.choice(["threshold", "risk", "filter"]): r.choice(VALUES)})
        config = {"strategy": items}
    else:
        config = {"strategy": {"conditional": {"if": "adx(14) > 25", "if_true": random_configuration(r, depth - 1)}}}
    extras = ["constraints", "threshold", "filter", "risk", "weight", "_seed", "strategy_id", "symbol", "timeframe"]
    config |= {k: r.choice(VALUES) for k in r.sample(extras, r.choice([0, 0, 0, 1, 2]))}
    if "type" in config and r.random() < 0.1:
        config["strategy_type"] = config["type"] if r.random() < 0.5 else r.choice(NAMES)
    if r.random() < 0.02:
        config[
            r.choice([*extras, "type", "parameters", "strategy", "config", "exit", "", "name", "strategy_digest"])
        ] = r.choice(VALUES)
    items = list(config.items())
    r.shuffle(items)
    return dict(items)


@pytest.fixture(scope="module")
def reference():
    path = (
        Path(os.environ.get("SIGNALBOOK_TEST_DATA", Path(__file__).parents[3] / "shared")) / "reference" / "identity.py"
    )
    if not path.exists():
        pytest.skip(f"no {path}")
    spec = importlib.util.spec_from_file_location("identity", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_configurations(reference, configs):
    def digest(config):
        try:
            return reference.strategy_digest(config)
        except ValueError:
            return None

    expected = [digest(config) for config in configs]
    actual, messages = hash_lines([json.dumps(config).encode() for config in configs], "--full")
    wrong = [(json.dumps(c), want, got) for c, want, got in zip(configs, expected, actual) if want != got]
    assert not wrong, f"{len(wrong)} of {len(configs)} differ, such as {wrong[:5]}"
    return len(messages)


def test_configurations_of_every_spelling(reference):
    r = random.Random(9)
    configs = [random_configuration(r, 2) for _ in range(20_000)]
    refused = check_configurations(reference, configs)
    assert 200 < refused < 5_000


def test_configurations_that_the_reference_refuses(reference):
    assert check_configurations(reference, reference.BAD) == len(reference.BAD)
    assert check_configurations(reference, reference.GOOD) == 0
