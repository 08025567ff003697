#!/usr/bin/env python3
"""Writes gguf_quants.json: packed blocks and the bits of the values that gguf-py unpacks from them.

usage: make_gguf_quants.py   (needs numpy and gguf 0.19)
"""

import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# Where the blocks of a type hold fp16 numbers, which are made finite: an infinity times zero is a
# NaN whose sign no one promises.
HALVES = {
    "F32": [], "F16": [0], "BF16": [],
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}
# The smallest subnormal, zeros of both signs, the largest, and numbers as models have them.
SPECIAL_HALVES = [0x0001, 0x0000, 0x8000, 0x7BFF, 0x2E66, 0x9C01]
BLOCKS = len(SPECIAL_HALVES)


def golden(name, random):
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for place, half in enumerate(SPECIAL_HALVES):
        for at in HALVES[name]:
            blocks[place, at:at + 2] = np.array([half], np.uint16).view(np.uint8)
    if name == "MXFP4":
        blocks[:, 0] = [0, 1, 2, 127, 254, 255]
    if name in ("F32", "BF16"):
        blocks[:, -1] &= 0x3F  # finite
    with np.errstate(over="ignore"):  # MXFP4 goes up to infinity
        values = dequantize(blocks.reshape(1, -1), kind)
    values = values.astype(np.float32).reshape(-1)
    assert values.size == BLOCKS * elements and not np.isnan(values).any(), name
    return {"type": name, "id": int(kind), "blocks": blocks.tobytes().hex(),
            "values": values.view(np.uint32).astype("<u4").tobytes().hex()}


def main():
    random = np.random.default_rng(20240607)
    lines = [json.dumps(golden(name, random)) for name in HALVES]
    path = Path(__file__).with_name("gguf_quants.json")
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
