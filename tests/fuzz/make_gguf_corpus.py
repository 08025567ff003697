#!/usr/bin/env python3
"""Writes corpus/gguf: small GGUF files for the fuzz target (needs numpy and gguf 0.19)."""

import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus" / "gguf"


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def sizes(writer, hidden, heads):
    writer.add_context_length(16)
    writer.add_embedding_length(hidden)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(heads)


def tensor(writer, name, *shape, kind=Type.F32):
    writer.add_tensor(name, gguf.quants.quantize(np.ones(shape, np.float32), kind), raw_dtype=kind)


def llama(path):
    writer = gguf.GGUFWriter(path, "llama")
    sizes(writer, 32, 2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", "a"])
    writer.add_token_scores([0.0, 0.0, 0.0, -1.0])
    writer.add_token_types([2, 3, 3, 1])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    tensor(writer, "rope_freqs.weight", 8)
    tensor(writer, "token_embd.weight", 4, 32, kind=Type.Q8_0)
    tensor(writer, "blk.0.attn_norm.weight", 32)
    tensor(writer, "blk.0.attn_q.weight", 32, 32, kind=Type.Q4_0)
    tensor(writer, "blk.0.attn_k.weight", 16, 32, kind=Type.Q5_1)
    tensor(writer, "blk.0.attn_v.weight", 16, 32, kind=Type.F16)
    tensor(writer, "blk.0.attn_output.weight", 32, 32, kind=Type.BF16)
    tensor(writer, "blk.0.ffn_norm.weight", 32)
    tensor(writer, "blk.0.ffn_gate.weight", 32, 32, kind=Type.MXFP4)
    tensor(writer, "blk.0.ffn_up.weight", 32, 32, kind=Type.Q4_1)
    tensor(writer, "blk.0.ffn_down.weight", 32, 32, kind=Type.Q5_0)
    tensor(writer, "output_norm.weight", 32)
    close(writer)


def gpt2(path):
    writer = gguf.GGUFWriter(path, "gpt2")
    sizes(writer, 8, 1)
    writer.add_layer_norm_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["a", "b", "ab", "\u0120", "<s>"])
    writer.add_token_types([1, 1, 1, 1, 3])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(4)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ messages }}")
    tensor(writer, "token_embd.weight", 3, 8)
    tensor(writer, "position_embd.weight", 16, 8)
    for name, rows, columns in (("attn_qkv", 24, 8), ("attn_output", 8, 8), ("ffn_up", 32, 8),
                                ("ffn_down", 8, 32)):
        tensor(writer, f"blk.0.{name}.weight", rows, columns)
        tensor(writer, f"blk.0.{name}.bias", rows)
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        tensor(writer, f"{name}.weight", 8)
        tensor(writer, f"{name}.bias", 8)
    close(writer)


def values(path):
    writer = gguf.GGUFWriter(path, "llama")
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
        getattr(writer, f"add_{name}")(name, 3)
    writer.add_float32("float32", 0.5)
    writer.add_float64("float64", 0.25)
    writer.add_bool("bool", True)
    writer.add_array("numbers", [1, 2, 3])
    writer.add_array("strings", ["a", "", "c"])
    writer.add_custom_alignment(64)
    for name, kind in (("q2", Type.Q2_K), ("q3", Type.Q3_K), ("q4", Type.Q4_K), ("q5", Type.Q5_K),
                       ("q6", Type.Q6_K), ("iq4", Type.IQ4_XS), ("nl", Type.IQ4_NL)):
        _, size = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor(name, np.full((1, size), 85, np.uint8), raw_dtype=kind)
    close(writer)


def main():
    CORPUS.mkdir(parents=True, exist_ok=True)
    for make in (llama, gpt2, values):
        make(CORPUS / make.__name__)
        print(make.__name__, (CORPUS / make.__name__).stat().st_size)


if __name__ == "__main__":
    main()
