#!/usr/bin/env python3
"""Writes variants.jsonl: what Hugging Face tokenizers gives for variations of one tokenizer.json.

Each line has a JSON merge patch for tests/golden/models/tales-gpt2/tokenizer.json and cases: a text, its
ids, the special tokens around them, and the text that the ids decode to. Needs the package tokenizers.
Run as: python3 tests/tokenizer/make_variants.py
"""
import json
import pathlib
import random

from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
BASE = json.loads((HERE / "../golden/models/tales-gpt2/tokenizer.json").read_text())
CASES = 60

PARTS = [
    "thewordz", "ze\u0301\u4e2d", "\u00e9\u4e2d", "quitex", "<mask>", "<r>", "<lr>", "word", "words", " ", "  ", "\n",
    "\u3000", "the", "e\u0301x", "\u00e9x", "e\u0301", "<|endoftext|>", "hello", "quite", "zzz", "qq", "q", "123", "4",
    "\u00b2\u00b3", "'s", "'\u017f", "'LL", "ab", "xx", "cab", "<|e", "\u00a0", "\u180e", "_", "-", "\u4e2d", "\u2167",
    "\U0001f999", "\ud55c\uae00", "\u1112\u1161\u11ab", "\r\n", "\t",
]


def token(id, content, special=True, **flags):
    return {"id": id, "content": content, "special": special, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False, **flags}


def sequence(*members):
    return {"type": "Sequence", "pretokenizers": list(members)}


def byte_level(**options):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True, **options}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


ADDED = BASE["added_tokens"] + [
    token(2048, "<mask>", lstrip=True), token(2049, "<r>", rstrip=True), token(2050, "<lr>", lstrip=True, rstrip=True),
    token(2051, "word", special=False, single_word=True, normalized=True),
    token(2052, "z\u00e9\u4e2d", special=False, normalized=True), token(2053, "<mask><r>"),
    token(2054, "thewordz", special=False, single_word=True), token(2055, "\u00e9\u4e2d", special=False),
    token(2056, "<|e", normalized=True),
]
BOS = {"type": "TemplateProcessing",
       "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
       "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
       "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}}
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
# Of 2, 3, 4, _ and the byte that most Chinese characters begin with. No merge has them.
WITHOUT_BYTES = {"vocab": dict.fromkeys(["2", "3", "4", "_", "\u00e4"])}
VARIANTS = {
    "GPT-2": {},
    "Llama 3": {"pre_tokenizer": sequence(split({"Regex": LLAMA3}, "Isolated"), byte_level(use_regex=False)),
                "post_processor": {"type": "Sequence", "processors": [byte_level(), BOS]},
                "model": {"ignore_merges": True, "vocab": {"\u0120quitex": 2048, "zzz": 2049}}},
    "SmolLM2": {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": True}, byte_level()),
                "post_processor": BOS},
    "Qwen": {"normalizer": {"type": "NFC"}, "added_tokens": ADDED},
    "digit runs, removed letters, empty matches": {
        "pre_tokenizer": sequence({"type": "Digits", "individual_digits": False}, split({"Regex": "[aeiou]"}, "Removed"),
                                  split({"Regex": "x*"}, "Isolated"), byte_level(use_regex=False))},
    "kept matches": {"pre_tokenizer": sequence(split({"Regex": r"(?i:'s)|\p{L}+|\p{N}{1,3}"}, "Removed", True),
                                               split({"String": "ab"}, "Isolated"), byte_level(use_regex=False))},
    "prefix space": {"pre_tokenizer": byte_level(add_prefix_space=True), "added_tokens": ADDED,
                     "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]}},
    "bytes without a token": {"model": WITHOUT_BYTES},
    "unknown token": {"model": {**WITHOUT_BYTES, "unk_token": "<|endoftext|>"}},
    "fused unknown token": {"model": {**WITHOUT_BYTES, "unk_token": "<|endoftext|>", "fuse_unk": True}},
}


def merge_patch(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def around(ids, with_special):
    """The special tokens before and after `ids`."""
    begin = next(i for i in range(len(with_special) + 1) if with_special[i:i + len(ids)] == ids)
    return with_special[:begin], with_special[begin + len(ids):]


random.seed(2)
with open(HERE / "variants.jsonl", "w") as out:
    for name, patch in VARIANTS.items():
        tokenizer = Tokenizer.from_str(json.dumps(merge_patch(BASE, patch)))
        cases = []
        for _ in range(CASES):
            text = "".join(random.choice(PARTS) for _ in range(random.randint(0, 8)))
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            with_special = tokenizer.encode(text, add_special_tokens=True).ids
            cases.append({"text": text, "ids": ids, "around": around(ids, with_special),
                          "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
        out.write(json.dumps({"name": name, "patch": patch, "cases": cases}, separators=(",", ":")) + "\n")
