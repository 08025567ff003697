#!/usr/bin/env python3
"""Adds to real_models.json what transformers gives in fp32 for a real model in a GGUF file.

usage: make_real_model_goldens.py NAME FILE.gguf [NEW_TOKENS]
(needs torch, transformers 5.17, gguf and accelerate)

Rows of Gemma have no text: the tokenizer that transformers makes of a GGUF file has no merges for
it, so only what follows given ids can be compared.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

GOLDENS = pathlib.Path(__file__).with_name("real_models.json")
PROMPTS = [
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. "
    "How many clips did Natalia sell altogether?",
    'def has_close_elements(numbers, threshold):\n    """ Check if',
    "法国的首都是",
]


@torch.no_grad()
def main():
    name, path = sys.argv[1], pathlib.Path(sys.argv[2])
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name,
                                                 dtype=torch.float32, attn_implementation="eager")
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 24
    rows = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        greedy = model.generate(torch.tensor([ids]), max_new_tokens=count, do_sample=False,
                                eos_token_id=-1, pad_token_id=0)[0, len(ids):].tolist()
        text = {} if model.config.model_type.startswith("gemma") else {"prompt": prompt}
        rows.append({**text, "prompt_ids": ids, "greedy_ids": greedy})
    goldens = json.loads(GOLDENS.read_text()) if GOLDENS.exists() else {}
    goldens[name] = rows
    GOLDENS.write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
