#!/usr/bin/env python3
"""Counts the golden rows that transformers' own bf16 and fp16 runs leave.

Each row of each golden runs alone through `generate` (greedy, with its KV cache but for longrope's
rows: make_hf_goldens.caches_rightly). Writes the counts under the device's key of
tests/golden/hf_16bit.json; counts of other devices and other models are kept. The models of
../shared/data are counted too where they are present.

Usage: count_hf_16bit.py --device cpu|cuda [--models NAME...]
"""
import argparse
import json
import pathlib
import platform

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from make_hf_goldens import caches_rightly

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SHARED = ROOT.parent / "shared" / "data" / "models"


def read_rows(path):
    """(prompt ids, golden ids) of any of the golden formats."""
    if path.suffix == ".json":
        return [(case["prompt"], case["expected"][len(case["prompt"]):])
                for case in json.loads(path.read_text())["greedy"]]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    prompt = next(k for k in ("prompt_token_ids", "prompt_ids", "prompt") if k in rows[0])
    golden = next(k for k in ("greedy_token_ids", "expected_ids", "expected") if k in rows[0])
    return [(row[prompt], row[golden]) for row in rows]


def goldens():
    """name, model directory, rows"""
    for parent in (ROOT / "samples" / "models", HERE / "models"):
        for path in sorted(parent.glob("*/golden.jsonl")):
            yield path.parent.name, path.parent, read_rows(path)
    shared = {"stories260k": ("llama-stories260k/hf", "llama-stories260k/golden_greedy.jsonl"),
              "nano-sort": ("gpt2-nano-sort", "gpt2-nano-sort/golden_greedy.jsonl"),
              "slm4096": ("gpt2-slm4096-char", "gpt2-slm4096-char/golden_greedy.jsonl"),
              "tiny-random": ("gpt2-tiny-random", "gpt2-tiny-random/golden.json")}
    for name, (model, golden) in shared.items():
        if (SHARED / golden).exists():
            yield name, SHARED / model, read_rows(SHARED / golden)


@torch.no_grad()
def leaves(model, prompt, golden):
    # The last token is never fed, so a row may be one longer than the model's positions: no limit of
    # generate's own may end it, and ids are compared, not lengths.
    ids = torch.tensor([prompt], device=model.device)
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False,
                         max_new_tokens=len(golden), pad_token_id=0,
                         use_cache=caches_rightly(model.config))
    return out[0, len(prompt):].tolist() != golden


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--models", nargs="*", help="count only these")
    arguments = parser.parse_args()
    device = arguments.device
    path = HERE / "hf_16bit.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    models = document.get(device, {}).get("models", {})
    for name, folder, rows in goldens():
        if arguments.models and name not in arguments.models:
            continue
        models[name] = {"rows": len(rows)}
        for word, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
            config = AutoConfig.from_pretrained(folder)
            # Experts one by one: grouped products want strides of 16 bytes.
            experts = ({"experts_implementation": "eager"} if hasattr(config, "num_experts_per_tok")
                       else {})
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **experts)
            model = model.to(device, dtype).eval()  # unpacked MXFP4 is bf16 before
            models[name][word] = sum(leaves(model, *row) for row in rows)
        print(name, models[name], flush=True)
    document[device] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.machine() + " CPU",
        "torch": torch.__version__, "transformers": transformers.__version__, "models": models}
    path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
