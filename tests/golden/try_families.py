#!/usr/bin/env python3
"""Tries random configurations of the supported families: `eet generate` on the CPU in fp32 against
transformers, greedy ids token by token.

Sizes, flags, windows, kinds of layers and rotations are drawn at random; a row passes where its ids
are the reference's, or leave them where the reference's two best logits are closer than 1e-3.
Needs torch and transformers >= 5.
Usage: try_families.py [--count 100] [--seed 1] [--families NAME...] [--eet build/app/eet]
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import torch
import transformers as hf

import make_hf_goldens as goldens
from family_models import FULL, SLIDING

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
POSITIONS = 320
NEW_TOKENS = 8
CLOSE = 1e-3


class Draw:
    """What the configurations of a run draw from."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *values):
        return self.random.choice(values)

    def flag(self):
        return self.random.random() < 0.5

    def window(self):
        return self.pick(1, 7, 16, 24, 100, 127, 128, 129, 200)

    def heads(self):
        """num_attention_heads, num_key_value_heads, head_dim"""
        kv = self.pick(1, 1, 2, 3)
        return kv * self.pick(1, 1, 2, 3, 5), kv, self.pick(8, 16, 24, 32, 64)

    def sizes(self, own_head_dim=True):
        heads, kv, head_dim = self.heads()
        sizes = dict(vocab_size=self.pick(67, 131, 200), num_hidden_layers=self.pick(1, 2, 3, 5),
                     intermediate_size=self.pick(24, 56, 100), num_attention_heads=heads,
                     hidden_size=heads * head_dim, num_key_value_heads=kv,
                     max_position_embeddings=POSITIONS, bos_token_id=1, eos_token_id=2,
                     pad_token_id=None, tie_word_embeddings=self.flag())
        if own_head_dim:
            sizes.update(head_dim=head_dim, hidden_size=heads * self.pick(8, 16, 24))
        return sizes

    def theta(self):
        return self.pick(100.0, 1e4, 5e5, 1e6)

    def rope(self, dim, part=None, kinds=("default", "linear", "dynamic", "llama3", "yarn")):
        if int(dim * (part or 1.0)) == 2:  # dynamic divides by what is left beyond 2
            kinds = [kind for kind in kinds if kind != "dynamic"]
        rope = {"rope_type": self.pick("default", *kinds), "rope_theta": self.theta()}
        kind = rope["rope_type"]
        if kind in ("linear", "dynamic", "llama3", "yarn"):
            rope["factor"] = self.pick(2.0, 4.0, 8.5)
        if kind in ("llama3", "yarn"):
            rope["original_max_position_embeddings"] = self.pick(16, 64, 128)
        if kind == "llama3":
            rope.update(low_freq_factor=1.0, high_freq_factor=self.pick(2.0, 4.0))
        if kind == "yarn" and self.flag():
            rope.update(beta_fast=self.pick(8, 32), beta_slow=self.pick(1, 2))
        if kind == "yarn" and self.flag():
            rope.update(mscale=self.pick(0.7, 1.0), mscale_all_dim=self.pick(0.5, 1.0))
        if kind == "yarn" and self.flag():
            rope["truncate"] = self.flag()
        if part is not None:
            rope["partial_rotary_factor"] = part
        if kind == "longrope":
            pairs = int(dim * (part or 1.0)) // 2
            rope.update(short_factor=[1.0 + self.random.random() for _ in range(pairs)],
                        long_factor=[1.0 + 4 * self.random.random() for _ in range(pairs)])
            rope["original_max_position_embeddings"] = self.pick(64, 160)
        return rope

    def part(self):
        return self.pick(0.25, 0.5, 0.75, 1.0)

    def layer_types(self, count):
        return [self.pick(FULL, SLIDING) for _ in range(count)]


def head_dim(sizes):
    return sizes.get("head_dim") or sizes["hidden_size"] // sizes["num_attention_heads"]


def llama(d):
    s = d.sizes()
    return hf.LlamaConfig(**s, attention_bias=d.flag(), mlp_bias=d.flag(),
                          hidden_act=d.pick("silu", "gelu", "gelu_pytorch_tanh", "relu"),
                          rope_parameters=d.rope(head_dim(s)))


def mistral(d):
    s = d.sizes()
    return hf.MistralConfig(**s, sliding_window=d.pick(None, d.window()),
                            rope_parameters=d.rope(head_dim(s)))


def ministral(d):
    s = d.sizes()
    return hf.MinistralConfig(**s, sliding_window=d.window(), rope_parameters=d.rope(head_dim(s)),
                              layer_types=d.layer_types(s["num_hidden_layers"]))


def qwen(cls, own_head_dim):
    def make(d):
        s = d.sizes(own_head_dim)
        extra = dict(attention_bias=d.flag()) if own_head_dim else {}
        return cls(**s, **extra, use_sliding_window=d.flag(), sliding_window=d.window(),
                   max_window_layers=d.pick(0, 1, 2), rope_parameters=d.rope(head_dim(s)))
    return make


def gemma(d):
    s = d.sizes()
    return hf.GemmaConfig(**s, attention_bias=d.flag(), rope_parameters=d.rope(head_dim(s)),
                          hidden_act=d.pick("gelu", "gelu_pytorch_tanh"))


def gemma2(d):
    s = d.sizes()
    return hf.Gemma2Config(**s, query_pre_attn_scalar=d.pick(8, 24, 144), sliding_window=d.window(),
                           attn_logit_softcapping=d.pick(None, 2.0, 50.0),
                           final_logit_softcapping=d.pick(None, 5.0, 30.0),
                           rope_parameters=d.rope(head_dim(s)),
                           layer_types=d.pick(None, d.layer_types(s["num_hidden_layers"])))


def gemma3(d):
    s = d.sizes()
    rope = {FULL: d.rope(head_dim(s), kinds=("linear", "yarn")), SLIDING: d.rope(head_dim(s), kinds=())}
    return hf.Gemma3TextConfig(**s, query_pre_attn_scalar=d.pick(8, 24, 144),
                               sliding_window=d.window(), attention_bias=d.flag(),
                               final_logit_softcapping=d.pick(None, 5.0), rope_parameters=rope,
                               layer_types=d.pick(None, d.layer_types(s["num_hidden_layers"])))


def phi(d):
    s = d.sizes(False)
    return hf.PhiConfig(**s, qk_layernorm=d.flag(), rope_parameters=d.rope(
        head_dim(s), d.part(), kinds=("linear", "dynamic")))


def phi3(d):
    s = {**d.sizes(False), "pad_token_id": 0}
    rope = d.rope(head_dim(s), d.part(), kinds=("longrope",))
    original = rope.get("original_max_position_embeddings", POSITIONS)
    return hf.Phi3Config(**s, original_max_position_embeddings=original, rope_parameters=rope,
                         sliding_window=d.pick(None, d.window()))


def olmo(d):
    s = d.sizes(False)
    return hf.OlmoConfig(**s, attention_bias=d.flag(), rope_parameters=d.rope(head_dim(s)))


def olmo2(d):
    s = d.sizes(False)
    return hf.Olmo2Config(**s, attention_bias=d.flag(), rope_parameters=d.rope(head_dim(s)))


def olmo3(d):
    s = d.sizes(False)
    rope = {FULL: d.rope(head_dim(s), kinds=("linear", "yarn")), SLIDING: d.rope(head_dim(s), kinds=())}
    return hf.Olmo3Config(**s, sliding_window=d.window(), rope_parameters=rope,
                          layer_types=d.pick(None, d.layer_types(s["num_hidden_layers"])))


def smollm3(d):
    s = d.sizes(False)
    layers = [d.pick(0, 1) for _ in range(s["num_hidden_layers"])]
    return hf.SmolLM3Config(**s, use_sliding_window=d.flag(), sliding_window=d.window(),
                            no_rope_layers=d.pick(None, layers), no_rope_layer_interval=d.pick(2, 4),
                            attention_bias=d.flag(), mlp_bias=d.flag(),
                            rope_parameters=d.rope(head_dim(s)))


def granite(d):
    s = d.sizes(False)
    return hf.GraniteConfig(**s, embedding_multiplier=d.pick(1.0, 3.0, 12.0),
                            logits_scaling=d.pick(0.5, 1.0, 4.0),
                            residual_multiplier=d.pick(0.22, 1.0),
                            attention_multiplier=d.pick(0.05, 0.3, 1.0),
                            attention_bias=d.flag(), mlp_bias=d.flag(),
                            rope_parameters=d.rope(head_dim(s)))


def without(sizes, *keys):
    return {key: value for key, value in sizes.items() if key not in keys}


def opt(d):
    s = d.sizes(False)
    return hf.OPTConfig(**without(s, "intermediate_size", "num_key_value_heads"), ffn_dim=56,
                        do_layer_norm_before=d.flag(), enable_bias=d.flag(),
                        layer_norm_elementwise_affine=d.flag(),
                        word_embed_proj_dim=d.pick(None, 24), _remove_final_layer_norm=d.flag(),
                        activation_function=d.pick("relu", "gelu"))


def gpt_neox(d):
    s = without(d.sizes(False), "num_key_value_heads")
    return hf.GPTNeoXConfig(**s, use_parallel_residual=d.flag(), attention_bias=d.flag(),
                            rope_parameters=d.rope(head_dim(s), d.part(), kinds=("linear", "dynamic")))


def gptj(d):
    s = d.sizes(False)
    dim = head_dim(s)
    return hf.GPTJConfig(vocab_size=s["vocab_size"], n_embd=s["hidden_size"],
                         n_layer=s["num_hidden_layers"], n_head=s["num_attention_heads"],
                         n_positions=POSITIONS, rotary_dim=d.pick(4, dim // 2, dim),
                         n_inner=d.pick(None, 40), bos_token_id=1, eos_token_id=2)


def falcon(d):
    s = d.sizes(False)
    new = d.flag()
    return hf.FalconConfig(
        **without(s, "intermediate_size", "num_key_value_heads"), new_decoder_architecture=new,
        num_kv_heads=s["num_key_value_heads"] if new else None, multi_query=d.flag(),
        parallel_attn=new or d.flag(), alibi=d.flag(), bias=d.flag(),
        num_ln_in_parallel_attn=d.pick(None, 1, 2) if new else None,
        ffn_hidden_size=d.pick(None, 40), rope_parameters=d.rope(head_dim(s)))


def bloom(d):
    s = d.sizes(False)
    return hf.BloomConfig(vocab_size=s["vocab_size"], hidden_size=s["hidden_size"],
                          n_layer=s["num_hidden_layers"], n_head=s["num_attention_heads"],
                          bos_token_id=1, eos_token_id=2, tie_word_embeddings=d.flag())


def stablelm(d):
    s = d.sizes(False)
    return hf.StableLmConfig(**s, use_qkv_bias=d.flag(), qk_layernorm=d.flag(),
                             use_parallel_residual=d.flag(), rope_parameters=d.rope(
                                 head_dim(s), d.part(), kinds=("linear", "dynamic")))


def starcoder2(d):
    s = d.sizes(False)
    return hf.Starcoder2Config(**s, use_bias=d.flag(), sliding_window=d.pick(None, d.window()),
                               rope_parameters=d.rope(head_dim(s)))


def cohere(d):
    s = {**d.sizes(False), "pad_token_id": 0}
    return hf.CohereConfig(**s, use_qk_norm=d.flag(), logit_scale=d.pick(0.0625, 0.8),
                           attention_bias=d.flag(), rope_parameters=d.rope(head_dim(s)))


def cohere2(d):
    s = {**d.sizes(False), "pad_token_id": 0}
    return hf.Cohere2Config(**s, sliding_window=d.window(), logit_scale=d.pick(0.0625, 0.8),
                            attention_bias=d.flag(), rope_parameters=d.rope(head_dim(s)),
                            layer_types=d.pick(None, d.layer_types(s["num_hidden_layers"])))


def exaone4(d):
    s = d.sizes(False)
    slides = d.flag()
    types = d.layer_types(s["num_hidden_layers"]) if slides else [FULL] * s["num_hidden_layers"]
    return hf.Exaone4Config(**s, sliding_window=d.window() if slides else None, layer_types=types,
                            rope_parameters=d.rope(head_dim(s)))


def seed_oss(d):
    s = d.sizes()
    return hf.SeedOssConfig(**s, attention_bias=d.flag(), attention_out_bias=d.flag(),
                            mlp_bias=d.flag(), rope_parameters=d.rope(head_dim(s)))


def nemotron(d):
    s = d.sizes()
    return hf.NemotronConfig(**s, attention_bias=d.flag(), mlp_bias=d.flag(),
                             hidden_act=d.pick("relu2", "gelu"), rope_parameters=d.rope(
                                 head_dim(s), d.part(), kinds=("linear", "dynamic")))


def routed(d, key):
    """How many experts there are and a token has; ties are likely among few and equal ones."""
    count = d.pick(1, 2, 3, 8, 17, 64)
    return {key: count, "num_experts_per_tok": min(count, d.pick(1, 2, 3, 8))}


def mixtral(d):
    s = d.sizes()
    return hf.MixtralConfig(**s, **routed(d, "num_local_experts"), sliding_window=d.pick(None, d.window()),
                            rope_parameters=d.rope(head_dim(s)))


def sparse_layers(d, count):
    return dict(decoder_sparse_step=d.pick(1, 1, 2, 3), norm_topk_prob=d.flag(),
                moe_intermediate_size=d.pick(8, 24, 33),
                mlp_only_layers=[i for i in range(count) if d.pick(0, 0, 1)])


def qwen2_moe(d):
    s = d.sizes(False)
    return hf.Qwen2MoeConfig(**s, **routed(d, "num_experts"), **sparse_layers(d, s["num_hidden_layers"]),
                             shared_expert_intermediate_size=d.pick(9, 40), qkv_bias=d.flag(),
                             use_sliding_window=d.flag(), sliding_window=d.window(),
                             max_window_layers=d.pick(0, 1, 4), rope_parameters=d.rope(head_dim(s)))


def qwen3_moe(d):
    s = d.sizes()
    return hf.Qwen3MoeConfig(**s, **routed(d, "num_experts"), **sparse_layers(d, s["num_hidden_layers"]),
                             attention_bias=d.flag(), use_sliding_window=d.flag(),
                             sliding_window=d.window(), rope_parameters=d.rope(head_dim(s)))


def granitemoe(d):
    s = d.sizes(False)
    shared = d.pick(None, 0, 20)
    cls = hf.GraniteMoeConfig if shared is None else hf.GraniteMoeSharedConfig
    extra = {} if shared is None else {"shared_intermediate_size": shared}
    return cls(**s, **routed(d, "num_local_experts"), **extra, attention_bias=d.flag(),
               embedding_multiplier=d.pick(1.0, 3.0), logits_scaling=d.pick(0.5, 1.0, 4.0),
               residual_multiplier=d.pick(0.22, 1.0), attention_multiplier=d.pick(0.05, 0.3),
               rope_parameters=d.rope(head_dim(s)))


def olmoe(d):
    s = d.sizes(False)
    return hf.OlmoeConfig(**s, **routed(d, "num_experts"), norm_topk_prob=d.flag(),
                          attention_bias=d.flag(), rope_parameters=d.rope(head_dim(s)))


def gpt_oss(d, **sizes):
    s = {**d.sizes(), **sizes}
    return hf.GptOssConfig(**s, **routed(d, "num_local_experts"), sliding_window=d.window(),
                           attention_bias=d.flag(), rope_parameters=d.rope(head_dim(s)),
                           layer_types=d.pick(None, d.layer_types(s["num_hidden_layers"])))


def gpt_oss_mxfp4(d):
    """Blocks of MXFP4 have 32 elements."""
    return gpt_oss(d, hidden_size=d.pick(32, 96), intermediate_size=d.pick(32, 64, 160))


FAMILIES = {maker.__name__: maker for maker in (
    llama, mistral, ministral, gemma, gemma2, gemma3, phi, phi3, olmo, olmo2, olmo3, smollm3, granite,
    opt, gpt_neox, gptj, falcon, bloom, stablelm, starcoder2, cohere, cohere2, exaone4, seed_oss,
    nemotron, mixtral, qwen2_moe, qwen3_moe, granitemoe, olmoe, gpt_oss, gpt_oss_mxfp4)}
FAMILIES |= {"qwen2": qwen(hf.Qwen2Config, False), "qwen3": qwen(hf.Qwen3Config, True)}


def tie_experts(model, draw):
    """Gives some experts the scores of others, so that routing meets ties."""
    chosen = {}
    for name, p in model.named_parameters():
        if name.endswith((".gate.weight", ".router.weight", ".router.bias", ".router.layer.weight")):
            same = [draw.random.randrange(len(p)) for _ in range(len(p))]
            p.data = p.data[chosen.setdefault(len(p), same)]


def run_eet(eet, folder, prompts, policy):
    rows = "".join(json.dumps({"prompt_token_ids": prompt}) + "\n" for prompt in prompts)
    (folder / "prompts.jsonl").write_text(rows)
    command = [eet, "generate", "-m", folder, "-i", folder / "prompts.jsonl", "-o",
               folder / "out.jsonl", "--overwrite", "--device", "cpu", "--temperature", "0",
               "--max-tokens", str(NEW_TOKENS), "--prompt-policy", policy, "--output-token-ids",
               "--progress", "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None, done.stderr.strip()
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    return lines, ""


def first_gap(row, tokens):
    """The reference's gap where `tokens` leaves it, or nothing where it does not."""
    wanted = row["greedy_token_ids"][:len(tokens)] if tokens else row["greedy_token_ids"]
    for want, got, gap in zip(wanted, tokens, row["top2_gaps"]):
        if want != got:
            return gap
    return None if tokens else float("inf")


def try_one(name, seed, eet):
    """What differs, or nothing."""
    draw = Draw(f"{name} {seed}")
    config = FAMILIES[name](draw)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        model = goldens.random_model(config, torch.float32, seed, True, 1.0)
        tied = draw.pick(False, False, True)
        if tied:
            tie_experts(model, draw)
        goldens.save(name, model, folder)
        model = goldens.load(folder, torch.float32)
        # Products of one row round equal experts apart: ties want more.
        shortest = draw.pick(2, 5, 9) if tied else draw.pick(1, 2, 9)
        lengths = [shortest, draw.random.randint(10, 135), draw.random.randint(130, 300)]
        prompts = goldens.prompts_for(config.vocab_size, lengths, seed)
        rows = [goldens.greedy(model, prompt, [2], NEW_TOKENS) for prompt in prompts]
        got, error = run_eet(eet, folder, prompts, draw.pick("packed", "padded", "min-length", "serial"))
        if got is None:
            return f"{error}\n{json.dumps(config.to_diff_dict(), default=str)}"
        for length, row, line in zip(lengths, rows, got):
            tokens = line.get("token_ids", [])
            gap = first_gap(row, tokens)
            ends_early = len(tokens) < len(row["greedy_token_ids"])
            if ends_early or (gap is not None and gap > CLOSE):
                return (f"prompt of {length}: want {row['greedy_token_ids']}, got {line}, gap {gap}\n"
                        f"{json.dumps(config.to_diff_dict(), default=str)}")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--eet", default=ROOT / "build" / "app" / "eet", type=pathlib.Path)
    arguments = parser.parse_args()
    hf.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
    failures = 0
    for i in range(arguments.count):
        name = arguments.families[i % len(arguments.families)]
        seed = arguments.seed + i // len(arguments.families)
        difference = try_one(name, seed, arguments.eet)
        failures += difference is not None
        print(f"{name} {seed}: {difference or 'equal'}", flush=True)
    print(f"{failures} of {arguments.count} configurations differ")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
