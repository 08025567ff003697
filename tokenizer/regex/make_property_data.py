#!/usr/bin/env python3
"""Writes property_data.inc: how the reference's Oniguruma differs from the installed one in Unicode.

Hugging Face tokenizers brings an Oniguruma of its own, with a newer Unicode than distributions have.
For every property (and POSIX class) that both know, the code points that they disagree about, and for
properties that the installed one lacks, all of them. An entry says what is right, not what to toggle,
so that the data fits every Oniguruma of an older or the same Unicode. Needs the package tokenizers.
Run as: python3 tokenizer/regex/make_property_data.py > tokenizer/regex/property_data.inc
"""
import ctypes
import ctypes.util
import pathlib
import re
import sys
import textwrap

import tokenizers
from tokenizers import Regex, pre_tokenizers

NAME = rb"[a-z0-9]{1,60}(?=\0)"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
TEXT = "".join(map(chr, CODE_POINTS))

onig = ctypes.CDLL(ctypes.util.find_library("onig"))
onig.onigenc_unicode_property_name_to_ctype.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
UTF8 = ctypes.addressof(ctypes.c_char.in_dll(onig, "OnigEncodingUTF8"))
onig.onig_initialize((ctypes.c_void_p * 1)(UTF8), 1)


def candidates():
    """Every word in the two libraries that could be a property's name."""
    reference = next(pathlib.Path(tokenizers.__file__).parent.glob("*.so")).read_bytes()
    around = reference.find(b"oldpersian\0")
    installed = pathlib.Path(next(line.split()[-1] for line in open("/proc/self/maps") if "libonig" in line)).read_bytes()
    words = re.findall(NAME, reference[around - 60000:around + 60000]) + re.findall(NAME, installed)
    return sorted({word.decode() for word in words}, key=lambda word: (-len(word), word))


def installed_ctype(name):
    buffer = ctypes.create_string_buffer(name.encode())
    return onig.onigenc_unicode_property_name_to_ctype(UTF8, buffer, ctypes.addressof(buffer) + len(name))


def installed_members(ctype):
    return {c for c in CODE_POINTS if onig.onigenc_unicode_is_code_ctype(c, ctype)}


def reference_members(name):
    """None where the reference has no such property. Of punct, which is two things there, [[:punct:]]."""
    pattern = "[[:punct:]]+" if name == "punct" else rf"\p{{{name}}}+"
    try:
        runs = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    except Exception:
        return None
    members = set()
    for _, (begin, end) in runs.pre_tokenize_str(TEXT):
        members.update(CODE_POINTS[begin:end])
    return members


def ranges(members):
    result = []
    for c in sorted(members):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


pool = []
entries = []


def pooled(members):
    """Where the ranges of `members` stand in the pool, and how many they are."""
    run = ranges(members)
    for at in range(len(pool) - len(run) + 1):
        if pool[at:at + len(run)] == run:
            return at, len(run)
    pool.extend(run)
    return len(pool) - len(run), len(run)


done = set()
new_sets = {}
for name in candidates():
    ctype = installed_ctype(name)
    if ctype in done:
        continue
    reference = reference_members(name)
    if reference is None:
        continue
    if ctype < 0:
        entries.append((name, *pooled(reference), 0, 0))
        continue
    done.add(ctype)
    installed = set() if name == "punct" else installed_members(ctype)
    if installed != reference:
        entries.append((name, *pooled(reference - installed), *pooled(installed - reference)))
    print(name, len(reference - installed), len(installed - reference), file=sys.stderr)

print(f"// Written by make_property_data.py from tokenizers {tokenizers.__version__}. Do not edit.\n// clang-format off\n")
print("// Ranges of code points.\nconstexpr CodePointRange kRanges[] = {")
print(textwrap.fill(" ".join(f"{{0x{a:X},0x{b:X}}}," for a, b in pool), 98, initial_indent="    ", subsequent_indent="    "))
print("};\n\n// A property's name; which ranges it has, and which it has not: where they begin, how many.\nconstexpr PropertyChange kPropertyChanges[] = {")
for name, *numbers in sorted(entries):
    print(f'    {{"{name}",{",".join(map(str, numbers))}}},')
print("};\n// clang-format on")
