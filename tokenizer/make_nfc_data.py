#!/usr/bin/env python3
"""Writes nfc_data.inc, the character data of canonical composition, from Python's unicodedata.

Run as: python3 tokenizer/make_nfc_data.py > tokenizer/nfc_data.inc
Normalisation of assigned characters never changes (Unicode's stability policy): a newer Unicode
only adds characters.
"""
import sys
import textwrap
import unicodedata

code_points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and not 0xAC00 <= c <= 0xD7A3]


def table(name, element, entries):
    body = textwrap.fill(" ".join(entries), 98, initial_indent="    ", subsequent_indent="    ")
    return f"constexpr {element} {name}[] = {{\n{body}\n}};\n"


decompositions = []
for c in code_points:
    mapping = unicodedata.decomposition(chr(c))
    if not mapping or mapping.startswith("<"):
        continue
    parts = [int(part, 16) for part in mapping.split()] + [0]
    composes = len(parts) == 3 and unicodedata.normalize("NFC", chr(c)) == chr(c)
    decompositions.append(f"{{0x{c:X},0x{parts[0]:X},0x{parts[1]:X},{int(composes)}}},")

ranges = []
for c in code_points:
    combining_class = unicodedata.combining(chr(c))
    if combining_class == 0:
        continue
    if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == combining_class:
        ranges[-1][1] = c
    else:
        ranges.append([c, c, combining_class])

sys.stdout.write(
    f"// Written by make_nfc_data.py from Unicode {unicodedata.unidata_version}. Do not edit.\n"
    "// clang-format off\n\n"
    "// Canonical decompositions: the character, its two parts (second 0: one part), and whether the\n"
    "// parts compose to it again. Hangul syllables are computed instead.\n"
    + table("kDecompositions", "Decomposition", decompositions)
    + "\n// Characters with a canonical combining class other than 0.\n"
    + table("kCombiningClasses", "CombiningRange", [f"{{0x{a:X},0x{b:X},{k}}}," for a, b, k in ranges])
    + "// clang-format on\n")
