#!/usr/bin/env python3
"""Writes grapheme_data.inc: the characters that grapheme clusters hang on, as the reference sees them.

Candidates come from the package regex, whose Unicode may be newer; each is kept only if the reference
treats it so. Its clusters show in the normalizer Precompiled: a cluster of less than six bytes becomes
what its first mapped prefix becomes, and its other characters vanish. The maps for that are made by
sentencepiece. Needs the packages tokenizers, sentencepiece and regex.
Run as: python3 tokenizer/unicode/make_grapheme_data.py > tokenizer/unicode/grapheme_data.inc
"""
import pathlib
import tempfile
import textwrap

import regex
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
import tokenizers
from tokenizers import normalizers

TEXT = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)
MARK = "\u0301"  # two bytes, extends any cluster


def candidates(*properties):
    return sorted({ord(c) for name in properties for c in regex.findall(rf"\p{{{name}}}", TEXT)})


def mapped(characters):
    """A normalizer that turns each of the characters into X."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "rules.tsv").write_text("".join(f"{c:X}\t58\n" for c in characters))
        (folder / "corpus.txt").write_text("hello world this is a test\n" * 50)
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "corpus.txt"), model_prefix=str(folder / "model"), vocab_size=20, model_type="char",
            normalization_rule_tsv=str(folder / "rules.tsv"), hard_vocab_limit=False, minloglevel=2)
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString((folder / "model.model").read_bytes())
        return normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)


def table(name, members, comment):
    runs = []
    for c in sorted(members):
        if runs and runs[-1][1] == c - 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    body = " ".join(f"{{0x{a:X},0x{b:X}}}," for a, b in runs)
    body = textwrap.fill(body, 98, initial_indent="    ", subsequent_indent="    ")
    print(f"\n// {comment}\nconstexpr CodePointRange {name}[] = {{\n{body}\n}};")


print(f"// Written by make_grapheme_data.py from tokenizers {tokenizers.__version__}. Do not edit.\n// clang-format off")

on_a = mapped([ord("a")])
extending = [ord(c) for c in TEXT if on_a.normalize_str("a" + c) == "X"]
spacing = set(candidates("GCB=SpacingMark"))
table("kExtend", [c for c in extending if c not in spacing], "Grapheme_Cluster_Break=Extend or ZWJ.")
table("kSpacingMark", [c for c in extending if c in spacing], "Grapheme_Cluster_Break=SpacingMark.")

prepend = candidates("GCB=Prepend")
on_prepend = mapped(prepend)
table("kPrepend", [c for c in prepend if on_prepend.normalize_str(chr(c) + "a") == "X"],
      "Grapheme_Cluster_Break=Prepend.")

# A mark that follows a control character or a line break begins a cluster of its own.
table("kControl", candidates("GCB=Control", "GCB=CR", "GCB=LF"), "Grapheme_Cluster_Break=Control, CR or LF.")
vowels = candidates("GCB=V")
table("kHangulVowel", vowels, "Grapheme_Cluster_Break=V.")
table("kHangulLeading", candidates("GCB=L"), "Grapheme_Cluster_Break=L.")
table("kHangulTrailing", candidates("GCB=T"), "Grapheme_Cluster_Break=T.")

on_ka = mapped([0x915])
linkers = [c for c in extending if on_ka.normalize_str(f"\u0915{chr(c)}\u0915{MARK}").endswith(MARK)]
# ... or it is a character that stands between a linker and a consonant.
table("kConjunctLinker", linkers, "Indic_Conjunct_Break=Linker.")
consonants = candidates("InCB=Consonant")
on_consonant = mapped(consonants)
is_joined = lambda normalizer, text: normalizer.normalize_str(text).endswith(MARK)
table("kConjunctConsonant", [c for c in consonants if is_joined(on_consonant, f"\u0915\u094D{chr(c)}{MARK}")],
      "Indic_Conjunct_Break=Consonant.")
between = [c for c in extending
           if c not in linkers and is_joined(on_ka, f"\u0915\u094D{chr(c)}\u0915{MARK}")]
table("kConjunctExtend", between, "Indic_Conjunct_Break=Extend.")
pictures = [c for c in candidates("Extended_Pictographic") if c > 0x7F]
on_picture = mapped(pictures)
table("kPictographic", [c for c in pictures if c > 0xFFFF or is_joined(on_picture, f"\u00A9\u200D{chr(c)}{MARK}")],
      "Extended_Pictographic.")
print("// clang-format on")
