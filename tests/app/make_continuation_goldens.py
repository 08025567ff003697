#!/usr/bin/env python3
"""Writes continuation_goldens.json: the text that generated ids add to their prompt's.

By transformers (5.17): decode(prompt ids + new ids) minus decode(prompt ids), without special
tokens. Run from anywhere: make_continuation_goldens.py
"""
import json
import pathlib

from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODELS = {"tales-llama": ROOT / "samples/models/tales-llama",
          "tales-gpt2": ROOT / "tests/golden/models/tales-gpt2"}


def continuation(tokenizer, prompt, new):
    before = tokenizer.decode(prompt, skip_special_tokens=True)
    whole = tokenizer.decode(prompt + new, skip_special_tokens=True)
    assert whole.startswith(before)
    return whole[len(before):]


def main():
    goldens = []
    for model, folder in MODELS.items():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        pairs = []
        for line in open(folder / "golden.jsonl", encoding="utf-8"):
            row = json.loads(line)
            pairs.append((row["prompt_token_ids"], row["greedy_token_ids"]))
        new = pairs[0][1][:5]
        special = [tokenizer.eos_token_id]
        # A prompt without text, special tokens at the border, and prompts cut short.
        pairs += [(special, new), (pairs[0][0], special + new), (pairs[0][0][:2] + special, new)]
        pairs += [(ids[:1], ids[1:]) for ids, _ in pairs[:4]]
        goldens += [
            {"model": model, "prompt_token_ids": ids, "new_token_ids": more,
             "text": continuation(tokenizer, ids, more)}
            for ids, more in pairs
        ]
    rows = ",\n".join(json.dumps(golden, ensure_ascii=False) for golden in goldens)
    (HERE / "continuation_goldens.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


main()
