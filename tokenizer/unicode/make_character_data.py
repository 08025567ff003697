#!/usr/bin/env python3
"""Writes character_data.inc and normal_form_data.inc: what Hugging Face tokenizers knows about characters.

The reference takes its characters from five libraries with tables of different ages (its normal forms
are those of an old Unicode, its white space and digits those of a new one), so the tables are read
off the reference itself. Needs the package tokenizers.
Run as: python3 tokenizer/unicode/make_character_data.py
"""
import pathlib
import textwrap
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def ranges(members):
    result = []
    for c in members:
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def table(name, element, entries, comment):
    body = textwrap.fill(" ".join(entries), 98, initial_indent="    ", subsequent_indent="    ")
    print(f"\n// {comment}\nconstexpr {element} {name}[] = {{\n{body}\n}};", file=out)


def range_table(name, members, comment):
    table(name, "CodePointRange", [f"{{0x{a:X},0x{b:X}}}," for a, b in ranges(members)], comment)


def pieces(pre_tokenizer, text):
    return [piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)]


def is_word(c):
    return pieces(WHITESPACE, f"a{chr(c)}a") == [f"a{chr(c)}a"]


WHITESPACE = pre_tokenizers.Whitespace()
DIGITS = pre_tokenizers.Digits(individual_digits=True)
PUNCTUATION = pre_tokenizers.Punctuation()
WHITESPACE_SPLIT = pre_tokenizers.WhitespaceSplit()
SCRIPTS = pre_tokenizers.UnicodeScripts()
NFC, NFD, NFKC, NFKD = normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD()
LOWERCASE, STRIP_ACCENTS = normalizers.Lowercase(), normalizers.StripAccents()

HERE = pathlib.Path(__file__).parent
HEADER = f"// Written by make_character_data.py from tokenizers {tokenizers.__version__}. Do not edit.\n// clang-format off"
out = open(HERE / "character_data.inc", "w")
print(HEADER, file=out)
range_table("kWordCharacters", [c for c in CODE_POINTS if is_word(c)], r"\w of Rust's regular expressions.")
range_table("kWhiteSpace", [c for c in CODE_POINTS if len(pieces(WHITESPACE_SPLIT, f"a{chr(c)}a")) == 2],
            "White_Space.")
range_table("kNumeric", [c for c in CODE_POINTS if len(pieces(DIGITS, f"a{chr(c)}")) == 2],
            "General categories Nd, Nl and No, which the pre-tokenizer Digits takes.")
range_table("kPunctuation", [c for c in CODE_POINTS if len(pieces(PUNCTUATION, f"a{chr(c)}")) == 2],
            "What the pre-tokenizer Punctuation takes: ASCII's punctuation and symbols, and categories P*.")
range_table("kCombiningMarks", [c for c in CODE_POINTS if STRIP_ACCENTS.normalize_str(f"a{chr(c)}") == "a"],
            "Categories M*, which StripAccents removes.")

# Lower case: runs of the same distance with a step of 1 or 2.
lower = {c: LOWERCASE.normalize_str(chr(c)) for c in CODE_POINTS}
runs = []
for c in CODE_POINTS:
    if lower[c] == chr(c) or len(lower[c]) != 1:
        continue
    distance = ord(lower[c]) - c
    if runs and runs[-1][2] == distance and c - runs[-1][1] in (1, 2):
        step = c - runs[-1][1]
        if runs[-1][3] in (0, step):
            runs[-1][1] = c
            runs[-1][3] = step
            continue
    runs.append([c, c, distance, 0])
assert [c for c in CODE_POINTS if len(lower[c]) != 1] == [0x130] and lower[0x130] == "i\u0307"
table("kLowercase", "LowercaseRun", [f"{{0x{a:X},0x{b:X},{d},{max(s, 1)}}}," for a, b, d, s in runs],
      "Runs of every first, or every second, character with the distance to its lower case.")

# Scripts: a run of one script is one piece. What has none goes with any other.
names = {}
script = dict.fromkeys(CODE_POINTS, 0)
with_script = [c for c in CODE_POINTS if len(pieces(SCRIPTS, f"a{chr(c)}")) + len(pieces(SCRIPTS, f"-{chr(c)}")) > 2]
at = 0
for piece in pieces(SCRIPTS, "".join(map(chr, with_script))):
    same = (known for known in names if len(pieces(SCRIPTS, known + piece[0])) == 1)
    number = names.setdefault(next(same, piece[0]), len(names) + 1)
    for c in with_script[at:at + len(piece)]:
        script[c] = number
    at += len(piece)
assert at == len(with_script)
starts = [c for i, c in enumerate(CODE_POINTS) if i == 0 or script[c] != script[CODE_POINTS[i - 1]]]
table("kScripts", "ScriptRun", [f"{{0x{c:X},{script[c]}}}," for c in starts],
      "Where a run of one script begins. Scripts are numbers here; 0 goes with any.")
print("// clang-format on", file=out)

# Normal forms. Hangul is computed.
out = open(HERE / "normal_form_data.inc", "w")
print(HEADER, file=out)
is_hangul = lambda c: 0xAC00 <= c <= 0xD7A3
pool = []


def decomposition_table(name, form, other, comment):
    entries = []
    for c in CODE_POINTS:
        decomposed = form.normalize_str(chr(c))
        if is_hangul(c) or decomposed == (other.normalize_str(chr(c)) if other else chr(c)):
            continue
        entries.append(f"{{0x{c:X},{len(pool)},{len(decomposed)}}},")
        pool.extend(map(ord, decomposed))
    table(name, "Decomposition", entries, comment)


decomposition_table("kCanonicalDecompositions", NFD, None,
                    "Full canonical decompositions: the character, where in the pool, how many characters.")
decomposition_table("kCompatibilityDecompositions", NFKD, NFD, "Full compatibility decompositions that differ from those.")
table("kDecompositionPool", "char32_t", [f"0x{c:X}," for c in pool], "What they decompose to.")

compositions = []
for c in CODE_POINTS:
    mapping = unicodedata.decomposition(chr(c))
    if is_hangul(c) or not mapping or mapping.startswith("<") or len(mapping.split()) != 2:
        continue
    first, second = (int(part, 16) for part in mapping.split())
    if NFC.normalize_str(chr(first) + chr(second)) == chr(c):
        compositions.append((first, second, c))
table("kCompositions", "Composition", [f"{{0x{a:X},0x{b:X},0x{c:X}}}," for a, b, c in sorted(compositions)],
      "Pairs that compose, sorted.")

# Python's classes, for the characters that the reference reorders at all: nothing but U+0345 has 240 or more.
classes = []
for c in CODE_POINTS:
    if c != 0x345 and NFD.normalize_str(f"\u0345{chr(c)}") == f"\u0345{chr(c)}":
        continue
    if is_hangul(c) or len(NFD.normalize_str(chr(c))) != 1 or NFD.normalize_str(chr(c)) != chr(c):
        continue
    value = unicodedata.combining(chr(c))
    assert 0 < value <= 240, hex(c)
    if classes and classes[-1][1] == c - 1 and classes[-1][2] == value:
        classes[-1][1] = c
    else:
        classes.append([c, c, value])
table("kCombiningClasses", "CombiningRange", [f"{{0x{a:X},0x{b:X},{k}}}," for a, b, k in classes],
      "Characters with a canonical combining class other than 0.")
print("// clang-format on", file=out)
