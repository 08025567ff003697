#!/usr/bin/env python3
"""Writes golden.jsonl of the two models that were trained on fairy tales: prompts, their ids, and the
greedy ids, log-probabilities, top-2 logit gaps and text that transformers gives in fp32.

Needs torch and transformers >= 5 (made with torch 2.15, transformers 5.17).
"""
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import make_hf_goldens as hf

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODELS = ["samples/models/tales-llama", "tests/golden/models/tales-gpt2"]
NEW_TOKENS = 48
PROMPTS = [
    "Once upon a time",
    "The king had three daughters, and",
    "There was once a poor woodcutter who",
    "\"Who is there?\" asked the",
    "In the middle of the dark forest stood",
    "The princess",
    "A",
    "Long ago, in a far country by the sea, there lived an old fisherman and his wife. Every morning "
    "he went down to the shore and cast his net, but",
    "The wolf said to the lamb:",
    "When the giant heard this he",
    "The youngest son set out to seek his fortune, and on the third day",
    "\"Open the door,\" said the fox,",
    "Now the queen was very beautiful, but so proud that",
    "He took the golden key and",
    "And they all lived",
    "Far away beyond the seven mountains",
]


def main():
    for place in MODELS:
        tokenizer = AutoTokenizer.from_pretrained(ROOT / place)
        model = AutoModelForCausalLM.from_pretrained(ROOT / place, dtype=torch.float32).eval()
        with open(ROOT / place / "golden.jsonl", "w") as file:
            for prompt in PROMPTS:
                row = hf.greedy(model, tokenizer(prompt)["input_ids"], [tokenizer.eos_token_id],
                                NEW_TOKENS)
                text = tokenizer.decode(row["greedy_token_ids"], skip_special_tokens=True)
                line = {"prompt": prompt, **row, "text": text}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        print(place, flush=True)


if __name__ == "__main__":
    main()
