#!/usr/bin/env python3
"""Writes gguf/NAME: a small random model as GGUF, and the greedy output that transformers gives for it.

usage: make_gguf_goldens.py [NAME ...]   (needs torch, transformers 5.17 and gguf 0.19)

The files are written with gguf-py, under its names of tensors, arranged as llama.cpp's conversion
does. Matrices are packed in types that take turns; transformers then runs in fp32 on what gguf-py
unpacks from them.
"""

import argparse
import json
import math
import pathlib

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
import transformers as hf_configs
from transformers import GPT2Config, LlamaConfig, Qwen2Config, Qwen3Config

import family_models
import make_hf_goldens as hf

HERE = pathlib.Path(__file__).resolve().parent
PROMPT_LENGTHS = [1, 19, 131, 200]
NEW_TOKENS = 24
SEEDS = 8
KEPT = ("position_embd.weight", "ffn_gate_inp.weight", "_exps.bias")  # in F32
VARIED = 24  # distinct tokens in all rows of a golden
SIMPLE = [Type.Q8_0, Type.Q5_1, Type.F16, Type.Q5_0, Type.BF16, Type.F32]
# Types that gguf-py can unpack only get random blocks: (place of fp16 scales, their size).
LARGE = {Type.IQ4_XS: ([0], 5e-5), Type.Q6_K: ([208], 5e-5), Type.Q5_K: ([0, 2], 1e-4),
         Type.Q4_K: ([0, 2], 2e-4), Type.Q3_K: ([108], 2e-3), Type.Q2_K: ([80, 82], 5e-3),
         Type.IQ4_NL: ([0], 1e-3)}


def small(cls, **extra):
    return cls(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
               num_key_value_heads=2, max_position_embeddings=320, bos_token_id=1, eos_token_id=2,
               pad_token_id=None, vocab_size=131, **extra)


def family(name):
    return family_models.FAMILY_MODELS[name]


# name: (architecture of GGUF, config, types of matrices)
MODELS = {
    "llama-llama3": ("llama", small(LlamaConfig, tie_word_embeddings=False, rope_parameters=hf.LLAMA3),
                     SIMPLE),
    "llama-large-blocks": (
        "llama", LlamaConfig(hidden_size=256, intermediate_size=256, num_hidden_layers=1,
                             num_attention_heads=4, num_key_value_heads=1, vocab_size=131,
                             max_position_embeddings=320, bos_token_id=1, eos_token_id=2,
                             pad_token_id=None, tie_word_embeddings=False), list(LARGE)),
    "qwen2": ("qwen2", small(Qwen2Config, tie_word_embeddings=True, use_sliding_window=False), SIMPLE),
    "qwen3": ("qwen3", small(Qwen3Config, head_dim=32, tie_word_embeddings=True), SIMPLE),
    "gpt2": ("gpt2", GPT2Config(n_head=2, n_embd=64, n_layer=2, n_positions=320, vocab_size=131,
                                bos_token_id=0, eos_token_id=0), SIMPLE),
    "gemma": ("gemma", family("gemma"), SIMPLE),
    "gemma2": ("gemma2", family("gemma2"), SIMPLE),
    "gemma3": ("gemma3", family("gemma3-text"), SIMPLE),
    "phi3": ("phi3", family("phi3-window"), SIMPLE),
    "gptneox": ("gptneox", family("gpt-neox-parallel"), SIMPLE),
    "falcon-7b": ("falcon", family("falcon-7b-kind"), SIMPLE),
    "falcon-40b": ("falcon", family("falcon-40b-kind"), SIMPLE),
    "starcoder2": ("starcoder2", family("starcoder2"), SIMPLE),
    "olmo2": ("olmo2", family("olmo2"), SIMPLE),
    "granite": ("granite", family("granite"), SIMPLE),
    "mixtral": ("llama", family("mixtral"), SIMPLE),
    "granitemoe": ("granitemoe", family("granitemoeshared"), SIMPLE),
    "qwen2moe": ("qwen2moe", family_models.experts(
        hf_configs.Qwen2MoeConfig, 5, 2, moe_intermediate_size=16,
        shared_expert_intermediate_size=20), SIMPLE),
    "qwen3moe": ("qwen3moe", family_models.experts(
        hf_configs.Qwen3MoeConfig, 8, 3, head_dim=16, moe_intermediate_size=16,
        norm_topk_prob=True), SIMPLE),
    "olmoe": ("olmoe", family("olmoe"), SIMPLE),
    "gpt-oss": ("gpt-oss", family("gpt-oss-mxfp4"), [Type.Q8_0]),
}


def get(config, *names):
    return next((getattr(config, name) for name in names if getattr(config, name, None) is not None), None)


def heads_of(config):
    heads = get(config, "num_attention_heads", "n_head")
    kv_heads = get(config, "num_key_value_heads") or heads
    if config.model_type == "falcon":
        kv_heads = config.num_kv_heads if config.new_decoder_architecture else (
            1 if config.multi_query else heads)
    if config.model_type == "gpt_neox":
        kv_heads = heads
    return heads, kv_heads


def arranged(arch, config, name, w, back=False):
    """A weight of transformers as llama.cpp stores it, or back."""
    heads, kv_heads = heads_of(config)
    if arch in ("llama", "granite", "granitemoe") and (".q_proj." in name or ".k_proj." in name):
        n = heads if ".q_proj." in name else kv_heads
        split = (n, w.shape[0] // n // 2, 2) if back else (n, 2, w.shape[0] // n // 2)
        return w.reshape(*split, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)
    if arch.startswith("gemma") and name.endswith("norm.weight"):
        return w - 1 if back else w + 1
    if arch == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return w.T
    if arch == "gptneox" and ".query_key_value." in name:
        split = (3, heads, -1) if back else (heads, 3, -1)
        return w.reshape(*split, *w.shape[1:]).swapaxes(0, 1).reshape(w.shape)
    if arch == "falcon" and ".query_key_value." in name:
        rows = torch.arange(w.shape[0]).reshape(kv_heads, heads // kv_heads + 2, -1)
        order = torch.cat([rows[:, :-2].flatten(), rows[:, -2].flatten(), rows[:, -1].flatten()])
        return w[torch.argsort(order) if back else order]
    return w


def stored_views(arch, names, name, w):
    """The names under which a parameter is stored, each with its view of the parameter."""
    stem, _, suffix = name.rpartition(".")
    block = "blk." + name.split(".")[2] + "." if ".layers." in name else ""
    if ".experts." in name:  # of gpt-oss: transposed, gate and up take turns
        kind = "bias" if name.endswith("_bias") else "weight"
        if arch == "gpt-oss" and kind == "weight":
            w = w.transpose(1, 2)
        if "down_proj" in name:
            return [(f"{block}ffn_down_exps.{kind}", w)]
        half = w.shape[1] // 2
        gate, up = (w[:, 0::2], w[:, 1::2]) if arch == "gpt-oss" else (w[:, :half], w[:, half:])
        return [(f"{block}ffn_gate_exps.{kind}", gate), (f"{block}ffn_up_exps.{kind}", up)]
    if "shared_mlp.input_linear" in name:
        half = w.shape[0] // 2
        return [(f"{block}ffn_gate_shexp.weight", w[:half]), (f"{block}ffn_up_shexp.weight", w[half:])]
    special = {"shared_mlp.output_linear": "ffn_down_shexp", "shared_expert.gate_proj": "ffn_gate_shexp",
               "shared_expert.up_proj": "ffn_up_shexp", "shared_expert.down_proj": "ffn_down_shexp",
               "mlp.router": "ffn_gate_inp", "mlp.gate": "ffn_gate_inp",
               "block_sparse_moe.router": "ffn_gate_inp"}
    for ours, theirs in special.items():
        if stem.endswith(ours):
            return [(f"{block}{theirs}.{suffix}", w)]
    if stem.endswith("shared_expert_gate"):
        return [(f"{block}ffn_gate_inp_shexp.weight", w[0])]
    if suffix == "sinks":
        return [(f"{block}attn_sinks.weight", w)]
    return [(f"{names.get_name(stem)}.{suffix}", w)]


def large_blocks(kind, shape, random):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (*shape[:-1], shape[-1] // elements, size), dtype=np.uint8)
    places, scale = LARGE[kind]
    for at in places:
        halves = (random.uniform(0.5, 1.0, blocks.shape[:-1]) * scale).astype(np.float16)
        blocks[..., at:at + 2] = halves[..., None].view(np.uint8)
    return blocks.reshape(*shape[:-1], -1)


def llama3_factors(rope, head_dim):
    """Of convert_hf_to_gguf.py."""
    freqs = 1.0 / (rope["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim))
    factor, low, high = rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"]
    original = rope["original_max_position_embeddings"]
    factors = []
    for freq in freqs:
        wavelen = 2 * math.pi / freq
        if wavelen < original / high:
            factors.append(1.0)
        elif wavelen > original / low:
            factors.append(factor)
        else:
            smooth = (original / wavelen - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, np.float32)


def write_rope(writer, arch, config, head_dim):
    rope = getattr(config, "rope_parameters", None) or {}
    local = rope.get("sliding_attention")
    rope = rope.get("full_attention", rope)
    if not rope:
        return
    writer.add_rope_freq_base(rope["rope_theta"])
    if local:
        writer.add_rope_freq_base_swa(local["rope_theta"])
    part = rope.get("partial_rotary_factor", 1.0)
    if arch in ("llama", "granite", "granitemoe", "phi3", "gptneox"):
        writer.add_rope_dimension_count(int(head_dim * part))
    kind = rope["rope_type"]
    if kind == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, head_dim))
    elif kind == "longrope":
        original = get(config, "original_max_position_embeddings") or rope["original_max_position_embeddings"]
        scale = config.max_position_embeddings / original
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(
            rope.get("attention_factor") or math.sqrt(1 + math.log(scale) / math.log(original)))
        writer.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], np.float32))
        writer.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], np.float32))
    elif kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    else:
        assert kind == "default", kind


def write_metadata(writer, arch, config):
    heads, kv_heads = heads_of(config)
    hidden = get(config, "hidden_size", "n_embd")
    head_dim = get(config, "head_dim") or hidden // heads
    writer.add_name("golden")
    writer.add_context_length(get(config, "max_position_embeddings", "n_positions"))
    writer.add_embedding_length(hidden)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(get(config, "ffn_hidden_size", "intermediate_size", "n_inner") or 4 * hidden)
    writer.add_head_count(heads)
    if arch not in ("gpt2", "gptneox"):
        writer.add_head_count_kv(kv_heads)
    own_head_dim = head_dim * heads != hidden
    if own_head_dim or arch in ("qwen3", "qwen3moe", "gpt-oss", "gemma", "gemma2", "gemma3"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    eps = get(config, "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon")
    if eps is not None:
        writer.add_layer_norm_eps(eps)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if get(config, "sliding_window"):
        writer.add_sliding_window(config.sliding_window)
    if arch == "gemma3":
        writer.add_sliding_window_pattern(2)
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if arch == "gptneox":
        writer.add_parallel_residual(config.use_parallel_residual)
    count = get(config, "num_local_experts", "num_experts")
    if count:
        writer.add_expert_count(count)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if arch in ("qwen2moe", "qwen3moe"):
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    if arch == "gpt-oss":
        writer.add_expert_feed_forward_length(config.intermediate_size)
    shared = get(config, "shared_intermediate_size", "shared_expert_intermediate_size")
    if shared:
        writer.add_expert_shared_feed_forward_length(shared)
    if arch in ("granite", "granitemoe"):
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    write_rope(writer, arch, config, head_dim)
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)


def write(path, arch, model, types, seed):
    """Writes the model, and gives it the weights that can be read from there."""
    config = model.config
    random = np.random.default_rng(seed)
    id_of_arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == arch)
    names = gguf.get_tensor_name_map(id_of_arch, config.num_hidden_layers)
    writer = gguf.GGUFWriter(path, arch)
    write_metadata(writer, arch, config)
    turn = 0
    for name, parameter in model.named_parameters():
        for stored_name, view in stored_views(arch, names, name, parameter.data):
            w = arranged(arch, config, name, view).contiguous().numpy().astype(np.float32)
            kind = Type.F32
            if w.ndim >= 2 and not stored_name.endswith(KEPT):
                kind = types[turn % len(types)]
                turn += 1
                if arch == "gpt-oss" and w.ndim == 3:
                    kind = Type.MXFP4
                if w.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] != 0:
                    kind = Type.F16
            data = (large_blocks(kind, w.shape, random) if kind in LARGE
                    else gguf.quants.quantize(w, kind))
            writer.add_tensor(stored_name, data, raw_dtype=kind)
            values = np.array(gguf.quants.dequantize(data, kind), np.float32).reshape(w.shape)
            view.copy_(arranged(arch, config, name, torch.from_numpy(values), back=True))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make(name):
    config = MODELS[name][1]
    if hasattr(config, "query_pre_attn_scalar"):  # files do not have it
        config.query_pre_attn_scalar = config.head_dim
    folder = HERE / "gguf" / name
    folder.mkdir(parents=True, exist_ok=True)
    best = (-1, None)
    for seed in range(SEEDS):
        rows = attempt(name, folder / "model.gguf", seed)
        gap = min(gap for row in rows for gap in row["top2_gaps"])
        distinct = sum(len(set(row["greedy_token_ids"])) for row in rows)
        print(f"{name} seed {seed}: gap {gap}, {distinct} distinct tokens", flush=True)
        if gap > 1e-3:
            best = max(best, (distinct, -seed))
        if gap > 1e-3 and distinct >= VARIED:
            break
    rows = attempt(name, folder / "model.gguf", -best[1])
    with open(folder / "golden.jsonl", "w") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def attempt(name, path, seed):
    arch, config, types = MODELS[name]
    model = hf.random_model(config, torch.float32, seed, name not in ("llama-llama3", "qwen2", "gpt2"))
    write(path, arch, model, types, seed)
    return [hf.greedy(model, prompt, [config.eos_token_id], NEW_TOKENS)
            for prompt in hf.prompts_for(config.vocab_size, PROMPT_LENGTHS, seed)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="models to make (default: all)")
    for name in parser.parse_args().names or MODELS:
        make(name)


if __name__ == "__main__":
    main()
