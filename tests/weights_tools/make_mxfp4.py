#!/usr/bin/env python3
"""Writes mxfp4.json: MXFP4 blocks and scales as gpt-oss stores them, and the bits of the bf16 values
that transformers unpacks from them.

usage: make_mxfp4.py   (needs torch and transformers 5.17)
"""
import json
from pathlib import Path

import torch
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

# Subnormal results, usual ones, and those that leave the range of bf16.
SCALES = [0, 1, 2, 100, 119, 120, 121, 127, 128, 250, 252, 253, 254, 255]


def main():
    generator = torch.Generator().manual_seed(1)
    blocks = torch.randint(0, 256, (1, 1, len(SCALES), 16), generator=generator, dtype=torch.uint8)
    blocks[..., :8] = torch.tensor([16 * high + high - 1 for high in range(1, 16, 2)],
                                   dtype=torch.uint8)  # every code
    scales = torch.tensor(SCALES, dtype=torch.uint8).reshape(1, 1, -1)
    values = convert_moe_packed_tensors(blocks, scales).flatten()
    assert values.dtype == torch.bfloat16
    path = Path(__file__).with_name("mxfp4.json")
    path.write_text(json.dumps({
        "scales": SCALES, "blocks": blocks.flatten().tolist(),
        "bits": values.view(torch.int16).to(torch.int32).bitwise_and(0xFFFF).tolist()}) + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
