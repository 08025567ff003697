#!/usr/bin/env python3
"""Writes top_logprobs_goldens.json: the 20 likeliest tokens in the place of each greedy one.

By transformers (5.17) in float32: log_softmax of the unmodified logits; on a tie the lower id comes
first. Run from anywhere: make_top_logprobs_goldens.py
"""
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODELS = {"tales-llama": ROOT / "samples/models/tales-llama",
          "tales-gpt2": ROOT / "tests/golden/models/tales-gpt2"}
TOP = 20
NEW_TOKENS = 4


def top_tokens(logits):
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    order = torch.sort(logprobs, descending=True, stable=True)
    return [[int(i), round(float(p), 6)] for i, p in zip(order.indices[:TOP], order.values[:TOP])]


def main():
    goldens = []
    for name, folder in MODELS.items():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        for line in open(folder / "golden.jsonl", encoding="utf-8").readlines()[:2]:
            prompt = json.loads(line)["prompt_token_ids"]
            ids = list(prompt)
            tops = []
            for _ in range(NEW_TOKENS):
                with torch.no_grad():
                    tops.append(top_tokens(model(torch.tensor([ids])).logits[0, -1]))
                ids.append(tops[-1][0][0])
            goldens.append({"model": name, "prompt_token_ids": prompt, "top": tops})
    rows = ",\n".join(json.dumps(golden) for golden in goldens)
    (HERE / "top_logprobs_goldens.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


main()
