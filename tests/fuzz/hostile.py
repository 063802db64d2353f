"""Texts, values and bytes of an enemy: what has broken readers of files, here or elsewhere. `¦` parts them."""

CONTROLS = [f"a{chr(code)}b" for code in (*range(32), *range(127, 160))]
# Zero width, joiners, direction, separators, variation, tags, fillers, byte order, what is no character.
CODES = (
    "ad 34f 61c 115f 17b4 180e 200b 200c 200d 200e 200f 2028 2029 202a 202b 202c 202d 202e 2060 2061 2062 2063 2064 "
    "2066 2067 2068 2069 206a 206f 3164 fe00 feff ffa0 fff9 fffc fffd fffe ffff 1d173 e0001 e0020 e007f f0000 10ffff"
)
UNSEEN = [f"a{chr(int(code, 16))}b" for code in CODES.split()]
HALVES = ["\ud800", "\udfff", "a\ud83db", "\udc80\udcff"]
TERMINAL = (
    "\x1b[2J\x1b[H¦\x1b]0;title\x07¦\x1b]8;;http://x\x1b\\y\x1b]8;;\x1b\\¦\x1b[31mred\x1b[0m¦\x9b31m¦done\r100 %¦"
    "ok\x08\x08no¦\x07\x07\x07\x07¦line\nerror: forged: all is well¦\x1bP+q544e\x1b\\"
).split("¦")
NUMBERS = """
    0 -0 -1 1 2 00 007 0x10 0o17 0b1 1_000 1e5 1e-5 1E400 -1e400 .5 5. 1.0.0 inf -inf .inf -.inf nan .nan NaN Infinity
    9223372036854775807 9223372036854775808 -9223372036854775809 18446744073709551616 1e308 5e-324 1/2 50% 1:30:00 ٣ ½
    ² 一 true false True yes no on off null None ~ nil NULL
    """.split()
NUMBERS += ["9" * 400, "9" * 5000, "0x" + "f" * 5000, "9" + ":59" * 2000, "1" + "0" * 308, "- 1", "1 2", "1,5"]
YAML = (
    "!!int abc¦!!bool abc¦!!float x¦!!null x¦!!timestamp x¦!!binary €¦!!set {a, b}¦!!omap [a: 1]¦!!seq x¦!!map x¦"
    "!!python/object/apply:os.system [id]¦!own x¦!own [x]¦! x¦!<tag:x> y¦&a [*a]¦&a {b: *a}¦*nothing¦? [a]\n: b¦"
    '<<: {a: 1}¦{<<: [{a: 1}, {b: 2}]}¦=¦2026-13-45¦2026-02-30¦2026-01-01T99:00:00Z¦2026-01-01¦"\\U00110000"¦'
    '"\\ud800"¦"\\xZZ"¦"\\¦\'¦[¦{¦]¦}¦: ¦- - - -¦? ? ?¦| \n  x¦>9\n x¦%YAML 9.9\n---¦---\n---¦...¦\t- a¦@a¦`a`¦%a¦'
    "a: b: c¦&x &y z¦[a, b, , c]¦{a, a}¦{1: a}¦{null: a}¦{[a]: b}¦{a: 1, a: 2}¦# only a remark"
).split("¦")
YAML += ["[" * 60 + "]" * 60, "[" * 2000 + "]" * 2000, "{a: " * 300 + "}" * 300]
PATHS = (
    "¦.¦..¦/¦//¦~¦~nobody¦~/x¦../../../../etc/passwd¦/dev/null¦/dev/zero¦/dev/stdin¦/dev/tty¦/dev/fd/0¦/proc/self/mem¦"
    "/proc/self/environ¦/proc/kmsg¦/sys/kernel/notes¦pipe¦loop¦loop/x¦folder¦empty¦unreadable¦-¦-x¦--help¦a/¦a//b¦./a¦"
    "a\\b¦C:\\x¦con¦file:///x¦http://¦http://[::1¦http://a b/c¦https://x/%00¦hf://x¦$(id)¦`id`¦${HOME}¦%j¦%A_%a¦*¦?¦"
    "[a-¦a\0b¦a\nb¦a.yaml¦a.jsonl.gz¦.gz¦.jsonl¦a b"
).split("¦")
PATHS += ["n" * 255, "n" * 256, "n/" * 3000, "ä" * 128]
CODE = (
    "; id¦&& id¦| id¦> x¦a'b¦a\"b¦a\\¦a\\nb¦{}¦{0}¦{x!r}¦%s¦%(x)s¦${x}¦{{ x }}¦"
    "{% for i in range(10**9) %}x{% endfor %}¦{{ ''.__class__ }}¦<script>alert(1)</script>¦"
    "</script><b>¦<!--¦]]>¦<![CDATA[¦"
    "&amp;¦&#0;¦=1+1¦+1¦-1¦@x¦|x¦\u200b=1¦"
    "\ufe66x¦\uff1d1¦\t=1¦(a+)+$¦(?P<x¦\\¦^(a|a)*$¦[[A]]¦[[B]] [[A]]¦<s>old</s>¦<|im_end|>¦[INST]¦</s>¦<unk>¦"
    "SELECT 1; DROP TABLE x¦__import__('os')¦__proto__¦constructor¦model.¦.a¦a..b¦a.b.c¦llama2-7b¦a.differences¦"
    "x.rank.y¦toy¦ins¦none¦local¦auto¦reference_overlap¦jury¦rubric¦alpaca"
).split("¦")
LONG = ["k" * 101, "k" * 5000, "k" * 100_000, "\x1b" * 3000, "ä" * 3000, "\U0001f600" * 2000]
LONG += ["a " * 20_000, "\n" * 5000]
SCRIPTS = (
    "ünï¦日本語¦العربية¦עברית¦ไทย¦🤝🏽\u200dx¦e\u0301¦\u1e69\u0323¦ﬁ¦İ¦\u0131¦ß¦Ǆ¦Z\u0337\u0322a\u0334\u034d".split("¦")
)

STRINGS = [*CONTROLS, *UNSEEN, *HALVES, *TERMINAL, *NUMBERS, *YAML, *PATHS, *CODE, *LONG, *SCRIPTS]

DEEP: object = 1
for _ in range(100):
    DEEP = [DEEP]
NUMBER_VALUES = [0, -1, 1, 2, 3, 10**6, 2**31, 2**63, -(2**63) - 1, 10**300, 0.0, -0.0, 0.5, 1.5, 1e-320, 1e308, -1e308]
VALUES: list[object] = [None, True, False, *NUMBER_VALUES, [], {}, "", [[]], [{}], {"": ""}, [None], [1, "a"], DEEP]
VALUES += [{"a": {"b": {"c": []}}}, ["a"] * 1000, {"a": DEEP}, {f"k{i}": i for i in range(1000)}]
VALUES += [{"role": "user", "content": "x"}, {"path": "/dev/zero"}, {"from": "toy"}]

BYTES = (
    b"\0|\xff|\xfe\xff|\xef\xbb\xbf|\xc0\x80|\xed\xa0\x80|\xf4\x90\x80\x80|\r|\r\r\n|\x1a|\x1b[2J|\xe2\x80\xae|\"|'|,|\t|"
    b"\\|{|}|[|]|:|\n\n\n|\\u0000|\\ud800|NaN|-Infinity|1e999|\x1f\x8b|PK\x03\x04|PAR1|\x80\x04\x95|<!DOCTYPE html>|"
    b'#!/bin/sh|%PDF-1.7|null|{"a": 1, "a": 2}|//|/*'
).split(b"|")
BYTES += [b"9" * 5000, b"[" * 5000, b'{"a":' * 2000, b'"' + b"a" * 100_000]
