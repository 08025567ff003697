#!/usr/bin/env python3
"""Makes scores.jsonl: log-probabilities that transformers gives to tokens of texts and of random ids.

Each row has the model's directory, all token ids, the index of the first scored one, and for every
token from there on its log-probability given those before it and whether it is the likeliest, in
fp32. Rows of models with a tokenizer also have the texts that the ids were made of, split where
lm-evaluation-harness splits them: trailing white space of the context goes to the continuation, and
the tokens of both together count as the continuation's from where the context's own end. An empty
context is the BOS token (EOS where there is none), unless the continuation begins with it.

Needs torch and transformers >= 5 (made with torch 2.11, transformers 5.17).
"""
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAIRS = [
    ("Once upon a time there was a king", " who had three daughters."),
    ("The old woman said: ", "\"Come in, my child.\""),
    ("In the forest\n", "there lived a fox and a wolf, and they were not friends at all."),
    ("Grüß Gott, sagte der", " Bär 🐻."),
    ("A", "nd so it was"),
    # White space that only Python's str.rstrip knows, and contexts without text.
    ("The king\u3000", "was"),
    ("The king\xa0", "was old"),
    ("The king\u2003", " was"),
    ("The king\x85\x1f", "was"),
    ("", "There was once a king"),
    ("", "was old"),
    ("\n ", "Once more"),
]
TEXTS = [
    "The prince rode out into the wide world, and when he had ridden a long way he came to a great "
    "castle in the middle of a wood. The gate stood open, but there was nobody to be seen in the "
    "court. \"Well,\" thought he, \"I shall go in and see who lives here.\" " * 3,
    "It was night.",
]
TEXT_MODELS = ["samples/models/tales-llama", "tests/golden/models/tales-gpt2"]
RANDOM_MODELS = ["llama-gqa4-hd128-llama3", "llama-gqa8-hd96-biases", "qwen2-gqa7-hd32",
                 "gpt2-hd80-untied", "gpt2-hd64-erf-inner"]
RANDOM_ROWS = [(2, 1), (40, 30), (131, 120), (290, 1)]  # tokens, first scored


@torch.no_grad()
def score(model, ids, score_from):
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()
    logprobs = torch.log_softmax(logits, -1)
    positions = range(score_from, len(ids))
    return {"token_ids": ids, "score_from": score_from,
            "logprobs": [round(logprobs[i - 1, ids[i]].item(), 5) for i in positions],
            "is_argmax": [int(logprobs[i - 1].argmax().item() == ids[i]) for i in positions]}


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                attn_implementation="eager").eval()


def split_pair(tokenizer, encode, context, continuation):
    stripped = context.rstrip()
    if stripped == "":
        ids = tokenizer(context + continuation, add_special_tokens=False)["input_ids"]
        prefix = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        return (ids if ids[0] == prefix else [prefix] + ids), 1
    whole = encode(context + continuation)
    return whole, len(encode(stripped))


def text_rows(place):
    folder = ROOT / place
    model = load(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def encode(text):
        return tokenizer(text)["input_ids"]

    for context, continuation in PAIRS:
        ids, score_from = split_pair(tokenizer, encode, context, continuation)
        yield {"model": place, "prompt": context, "completion": continuation,
               **score(model, ids, score_from)}
    for text in TEXTS:
        yield {"model": place, "text": text, **score(model, encode(text), 1)}


def random_rows(name):
    folder = HERE / "models" / name
    model = load(folder)
    generator = torch.Generator().manual_seed(77)
    for length, score_from in RANDOM_ROWS:
        ids = torch.randint(3, model.config.vocab_size, (length,), generator=generator).tolist()
        yield {"model": f"tests/golden/models/{name}", **score(model, ids, score_from)}


def main():
    with open(HERE / "scores.jsonl", "w") as file:
        for rows in [*map(text_rows, TEXT_MODELS),
                     *map(random_rows, RANDOM_MODELS)]:
            for row in rows:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
