"""Writes the files beside it: what the reference recipes say about the inputs below. Hashes are for ever: what is in
these files may be added to, never changed.

    python generate.py FOLDER_WITH_IDENTITY_PY
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import identity

# Configurations as text, for spelling is what they are about.
ACCEPTED = r"""
{"type":"rsi","parameters":{"period":14,"oversold":30,"overbought":70}}
{"rsi":{"period":14,"oversold":30,"overbought":70}}
{"strategy_type":"rsi","parameters":{"overbought":70,"oversold":30,"period":14}}
{"type":"rsi","strategy_type":"rsi","parameters":{"period":14}}
{ "rsi" : { "period" : 14 } , "constraints" : null , "name" : "mine" , "symbol" : "QQQ" , "timeframe" : "1d" }
{"rsi":{"period":14},"strategy_id":"s_17","strategy_hash":"0123456789ab","strategy_digest":"00","_seed":{"rsi":2}}
{"config":{"rsi":{"period":14}},"name":"wrapped"}
{"strategy_type":"rsi","config":{"parameters":{"period":14},"symbol":"SPY"}}
{"type":"rsi","config":{"type":"rsi","strategy_type":"rsi","parameters":{"period":14}}}
{"type":"x","config":{"config":{"deep":1}}}
{"type":"macd"}
{"type":"macd","parameters":null}
{"type":"macd","parameters":{}}
{"macd":{"name":"kept below","symbol":"kept","type":"kept","weight":0.5,"strategy":[1]}}
{"macd":{"fast":12,"slow":26},"weight":0.25}
{"macd":{"fast":12,"slow":26,"signal":null}}
{"macd":{"fast":null}}
{"macd":{"_a":1,"b":{"_c":2,"d":[{"_e":3,"f":{"_":4}}]}}}
{"macd":{"fast":12.0}}
{"macd":{"fast":12}}
{"macd":{"fast":12,"fast":13,"slow":1,"fast":14}}
{"macd":{"fast":1},"macd":{"slow":2}}
{"type":"breakout","parameters":{"lookback":20},"exit":{"bars":5,"_why":"x"},"filter":"volume > 0","risk":{"stop":0.01,"target":0.02}}
{"breakout":{"lookback":20},"filter":["a",{"b":null}],"risk":false,"threshold":0,"constraints":""}
{"floats":{"a":0.1,"b":1e16,"c":1e15,"d":9999999999999998.0,"e":0.0001,"f":0.00001,"g":1.5e-7,"h":1e100,"i":123456789.125}}
{"floats":{"a":1E5,"b":1e+5,"c":1e-0,"d":0e0,"e":-0.0,"f":-0,"g":0.0,"h":-1e-400,"i":1e-400,"j":100000e-5}}
{"floats":{"a":5e-324,"b":2.2250738585072014e-308,"c":2.225073858507201e-308,"d":1.7976931348623157e308,"e":4.35,"f":2.675}}
{"floats":{"a":9007199254740992.0,"b":9007199254740991.0,"c":-9007199254740991.0,"d":9007199254740993.0,"e":1e22,"f":1e23}}
{"floats":{"a":0.30000000000000004,"b":0.1000000000000000055511151231257827,"c":1.00000000000000011102230246251565404236316680908203125}}
{"floats":{"a":179769313486231570000000000000000000000.5,"b":2.0,"c":[2.0,-3.0,{"d":4.0}],"e":2.5}}
{"integers":{"a":9223372036854775807,"b":9223372036854775808,"c":-9223372036854775808,"d":-9223372036854775809}}
{"integers":{"a":18446744073709551615,"b":18446744073709551616,"c":123456789012345678901234567890123456789012345678901234567890}}
{"integers":{"a":9007199254740993,"b":-0,"c":0,"d":-1,"e":1000000000000000000000000000000}}
{"texts":{"a":"\u00e9","b":"é","c":"e\u0301","d":"\/","e":"/","f":"\u0041\u000a\b\f\r\t\"\\"}}
{"texts":{"a":"\ud83d\ude00","b":"😀","c":"\ud83d","d":"\ude00","e":"\ude00\ud83d","f":"\ud83d\ud83d\ude00","g":"\uD83D\uDE00"}}
{"texts":{"a":"\u007f","b":"\u0080","c":"\u2028\u2029","d":"\u0000","e":"\uffff\ufffe","f":"\udbff\udfff","g":"日本"}}
{"keys":{"é":1,"z":2,"Z":3,"a\u0000":4,"a":5,"":6,"\uff5e":7,"😀":8,"\ud800":9,"10":10,"9":11,"aa":12}}
{"régime":{"n":1}}
{"\ud83d\ude00":{"n":1},"constraints":"\u0441\u0435\u0441\u0441\u0438\u044f"}
{"lists":{"a":[],"b":[[]],"c":[{}],"d":[null,true,false,1,1.0,"1"],"e":{"f":{"g":{"h":[]}}}}}
{"strategy":[{"rsi":{"period":14}}]}
{"strategy":[{"rsi":{"period":14,"weight":0.5}},{"macd":{"fast":12},"weight":0.5}]}
{"strategy":[{"rsi":{"period":14},"weight":0.5},{"macd":{"fast":12,"weight":0.5}}]}
{"strategy":[{"rsi":{"weight":0.5},"weight":0.5}]}
{"strategy":[{"rsi":{"weight":null},"weight":null}]}
{"strategy":[{"rsi":{"weight":[1,{"a":1}]},"weight":[1.0,{"a":true}]}]}
{"strategy":[{"rsi":{"weight":[true,{"a":2.0}]},"weight":[1,{"a":2}]}]}
{"strategy":[{"rsi":{"weight":{"a":1,"b":1e22}},"weight":{"b":10000000000000000000000,"a":1.0}}]}
{"strategy":[{"rsi":{}},{"threshold":"0.5"},{"constraints":"intraday","risk":{"stop":0.01}}]}
{"strategy":[{"threshold":"0.5"},{"rsi":{}}],"threshold":"0.5","filter":"x"}
{"strategy":[{"rsi":{}},{"threshold":null}]}
{"strategy":[{"rsi":{}},{"threshold":null},{"threshold":2}]}
{"strategy":[{"rsi":{}},{"risk":[1]},{"risk":[1.0]}]}
{"strategy":[{"rsi":{}},{"threshold":"0.5","_note":"dropped"}]}
{"type":"vote","strategy":[{"rsi":{}},{"macd":{}}],"parameters":{"quorum":2}}
{"type":"ensemble","strategy":[{"strategy":[{"rsi":{}}]}]}
{"strategy":[{"strategy":[{"rsi":{"weight":1}}],"weight":0.5},{"macd":{},"weight":0.5}],"threshold":"0.4"}
{"strategy":[{"weight":0.6,"strategy":[{"weight":0.5,"strategy":[{"rsi":{"period":7,"weight":1.0}},{"threshold":0.1}]},{"macd":{"weight":0.5}}]},{"weight":0.4,"strategy":[{"breakout":{"n":20}}],"threshold":"0.5 AND adx(14) < 20"}],"constraints":"intraday"}
{"strategy_type":"composite","config":{"strategy":[{"type":"a","parameters":{"weight":1},"name":"first"},{"config":{"b":{"weight":2}}}],"threshold":"0.3"}}
{"strategy":{"conditional":{"if":"adx(14) > 25","if_true":{"rsi":{"period":14}},"if_false":{"strategy":[{"macd":{}}]}}}}
{"strategy":{"weighted":{"strategies":[{"weight":1.0,"strategy":{"rsi":{"_x":1}}},{"weight":2,"strategy":null}]}}}
{"strategy":{},"threshold":1}
{"type":"switch","strategy":{"regime":{"trending":{"rsi":{}},"ranging":{"macd":{}}}},"parameters":{"hold":5},"weight":1}
{"conditional":{"if":"vol > 0.2","if_true":{"rsi":{"name":"kept"}}},"constraints":"intraday"}
{"strategy":[{"conditional":{"if":"a","weight":0.5}},{"strategy":{"weighted":{}},"weight":0.5}]}
{"strategy":null,"rsi":{}}
{"":null,"rsi":{},"extra":null}
"""

# The text, and a word that the message must have so that a person knows what to do.
REFUSED = [
    ("null", "object"),
    ("7", "object"),
    ('"rsi"', "object"),
    ("[]", "object"),
    ('[{"rsi":{}}]', "object"),
    ("{}", "type"),
    ('{"rsi":null}', "type"),
    ('{"_rsi":{}}', "type"),
    ('{"name":"rsi"}', "type"),
    ('{"constraints":"intraday"}', "'constraints'"),
    ('{"parameters":{"period":14}}', "'parameters'"),
    ('{"rsi":{},"macd":{}}', "'rsi' and 'macd'"),
    ('{"rsi":{},"macd":{},"mom":{}}', "'rsi', 'macd' and 'mom'"),
    ('{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}', "2 more"),
    ('{"\\u00e9":{},"\\ud800":{}}', "'\\u00e9' and '\\ud800'"),
    ('{"rsi":14}', "'rsi'"),
    ('{"rsi":[14]}', "'rsi'"),
    ('{"rsi":{},"parameters":{}}', "'rsi'"),
    ('{"":{}}', "name"),
    ('{"type":""}', "name"),
    ('{"type":true,"parameters":{}}', "name"),
    ('{"type":["rsi"]}', "name"),
    ('{"type":"rsi","parameters":[]}', "'rsi'"),
    ('{"type":"rsi","strategy_type":"macd"}', '"macd"'),
    ('{"type":"rsi","config":{"type":"macd"}}', '"macd"'),
    ('{"type":"rsi","config":{},"threshold":1}', "'threshold'"),
    ('{"type":"rsi","config":[]}', "'config'"),
    ('{"config":"rsi"}', "'config'"),
    ('{"strategy":[]}', "'strategy'"),
    ('{"strategy":7}', "'strategy'"),
    ('{"strategy":"rsi"}', "'strategy'"),
    ('{"strategy":[{"threshold":1}]}', "'strategy'"),
    ('{"strategy":[{"rsi":{}},{}]}', "strategy[1]"),
    ('{"strategy":[{"rsi":{}},{"_x":1}]}', "strategy[1]"),
    ('{"strategy":[{"rsi":{}},null]}', "strategy[1]"),
    ('{"strategy":[{"strategy":[{"rsi":{}},{"a":{},"b":{}}]}]}', "strategy[0]: strategy[1]"),
    ('{"strategy":[{"rsi":{}},{"threshold":1,"name":"x"}]}', "strategy[1]"),
    ('{"strategy":[{"rsi":{"weight":0.5},"weight":0.6}]}', "'weight'"),
    ('{"strategy":[{"rsi":{"weight":1},"weight":1.0}]}', "'weight'"),
    ('{"strategy":[{"rsi":{"weight":1},"weight":true}]}', "'weight'"),
    ('{"strategy":[{"rsi":{"weight":[9007199254740993]},"weight":[9007199254740992.0]}]}', "'weight'"),
    ('{"strategy":[{"rsi":{"weight":[10000000000000000000001]},"weight":[1e22]}]}', "'weight'"),
    ('{"strategy":[{"rsi":{"weight":{"a":1,"b":2}},"weight":{"a":1}}]}', "'weight'"),
    ('{"strategy":[{"rsi":{"weight":[1,2]},"weight":[1]}]}', "'weight'"),
    ('{"strategy":[{"rsi":{}},{"threshold":"a"}],"threshold":"b"}', "'threshold'"),
    ('{"strategy":[{"rsi":{}},{"threshold":1},{"threshold":1.0}]}', "strategy[2]"),
]

TRACES = [
    ([], [], 0),
    ([], [], 500),
    ([0], [1.0], 1),
    ([0], [1.0], 2),
    ([0], [-1.0], 1),
    ([1], [1.0], 2),
    ([0, 1], [0.0, 1.0], 2),
    ([0, 1], [-0.0, 1.0], 2),
    ([0, 7, 9], [0.5, -0.25, 1e-300], 10),
    ([2**40, 2**62], [1.0, 2.0], 2**63 - 1),
    ([0], [""], 1),
    ([0, 5], ["up", "down"], 9),
    ([0, 5], ["upd", "own"], 9),
    ([1, 2, 3], ["trending é", "日本", "😀"], 4),
    (list(range(0, 4_500, 3)), [(-1.0) ** i * (i % 4) for i in range(1_500)], 4_501),
    (list(range(800)), ["regime_" + "x" * (i % 37) for i in range(800)], 800),
    ([0, 1], ["a" * 20_000, "b"], 2),
]


def ramp(n, step):
    return [100.0 + step * (i % 977) for i in range(n)]


BARS = [
    ("SPY", "5m", [], [], [], [], [], None),
    ("SPY", "5m", [0], [1.0], [2.0], [0.5], [1.5], None),
    ("SPY", "5m", [0], [1.0], [2.0], [0.5], [1.5], [0.0]),
    ("SPY", "5m", [0], [1.0], [2.0], [0.5], [1.5], [-0.0]),
    ("SPY5", "m", [0], [1.0], [2.0], [0.5], [1.5], None),
    ("", "", [-1, 1], [-0.0, 1.0], [2.0, 2.0], [0.5, 0.25], [1.5, 1.5], [1e9, 3.0]),
    ("É/USD", "1h", [10**15, 2 * 10**15], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], None),
    ("BIG", "1m", [60_000_000 * i for i in range(1_100)], *(ramp(1_100, s) for s in (0.25, 0.5, 0.125, 0.75, 8.0))),
]


def write(name, rows):
    text = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows) + "\n]\n"
    (Path(__file__).parent / name).write_text(text, encoding="ascii")


def main():
    accepted = []
    for text in ACCEPTED.strip().splitlines():
        config = json.loads(text)
        row = {"input": text, "canonical": identity.canonical(config)}
        row |= {"strategy_digest": identity.strategy_digest(config), "value_digest": identity.value_digest(config)}
        accepted.append(row)
    write("configurations.json", accepted)
    for text, _ in REFUSED:
        try:
            identity.canonical(json.loads(text))
        except ValueError:
            continue
        raise SystemExit(f"accepted: {text}")
    write("refused.json", [{"input": text, "message_has": word} for text, word in REFUSED])
    write(
        "traces.json",
        [{"idx": i, "val": v, "bar_count": n, "trace_hash": identity.trace_hash(i, v, n)} for i, v, n in TRACES],
    )
    names = ["symbol", "timeframe", "ts", "open", "high", "low", "close", "volume"]
    write("bars.json", [dict(zip(names, row)) | {"data_id": identity.data_id(*row)} for row in BARS])


if __name__ == "__main__":
    main()
