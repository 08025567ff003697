#!/usr/bin/env python3
"""Output tokens/s of Hugging Face transformers' `generate`: the peer of `eet bench --pg P+N`.

Random bf16 weights of a shape, made directly on the GPU; random prompts; greedy with exactly
--new tokens a row; one warm-up, then the median of --repeats. Prints one JSON line for each shape.
With --ragged the prompts have `eet bench`'s lengths and are left-padded under an attention mask.

Usage: transformers_generate.py [--shape gpt2-124m --shape llama-3-8b] [-b 128] [-p 512] [-n 128]
                                [--ragged 0.5]
A shape is a folder of samples/shapes, or any path that holds a config.json.
"""
import argparse
import gc
import json
import statistics
import time
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

SHAPES = Path(__file__).resolve().parents[2] / "samples" / "shapes"


def read_config(shape):
    shipped = SHAPES / shape
    return AutoConfig.from_pretrained(shipped if shipped.is_dir() else shape)


def random_model(config):
    """Weights drawn where they are used: no copy in host memory."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    torch.set_default_dtype(torch.float32)
    return model.eval()


def prompt_lengths(args):
    """As in app/bench/workload.cpp: evenly spread, mean (1 - ragged) of the longest."""
    mean = (1 - args.ragged) * args.prompt
    low = max(1.0, 2 * mean - args.prompt)
    high = 2 * mean - low
    steps = max(args.batch - 1, 1)
    lengths = [int(low + i / steps * (high - low)) for i in range(args.batch)]
    lengths[-1] = args.prompt
    return lengths


@torch.no_grad()
def seconds_for(model, ids, mask, new_tokens):
    torch.cuda.synchronize()
    start = time.perf_counter()
    out = model.generate(ids, attention_mask=mask, do_sample=False,
                         min_new_tokens=new_tokens, max_new_tokens=new_tokens, pad_token_id=0)
    torch.cuda.synchronize()
    assert out.shape[1] == ids.shape[1] + new_tokens
    return time.perf_counter() - start


def measure(shape, args):
    model = random_model(read_config(shape))
    ids = torch.randint(3, model.config.vocab_size, (args.batch, args.prompt), device="cuda")
    mask = torch.ones_like(ids)
    for row, length in enumerate(prompt_lengths(args)):
        mask[row, : args.prompt - length] = 0
    seconds_for(model, ids, mask, args.new)
    times = [seconds_for(model, ids, mask, args.new) for _ in range(args.repeats)]
    median = statistics.median(times)
    print(json.dumps({
        "engine": "transformers " + transformers.__version__, "shape": shape,
        "device": torch.cuda.get_device_name(), "dtype": "bf16", "batch": args.batch,
        "prompt": args.prompt, "new": args.new, "ragged": args.ragged, "seconds": round(median, 4),
        "seconds_min": round(min(times), 4), "seconds_max": round(max(times), 4),
        "output_tokens_per_s": round(args.batch * args.new / median, 1),
        "peak_device_bytes": torch.cuda.max_memory_allocated()}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", action="append")
    parser.add_argument("-b", "--batch", type=int, default=128)
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--new", type=int, default=128)
    parser.add_argument("--ragged", type=float, default=0.0,
                        help="share of batch x prompt that is left-padding")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    for shape in args.shape or ["gpt2-124m", "llama-3-8b"]:
        measure(shape, args)
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    main()
