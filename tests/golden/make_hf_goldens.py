#!/usr/bin/env python3
"""Makes small random-weight Hugging Face models and their greedy goldens.

For every model below: tests/golden/models/NAME/{config.json, generation_config.json,
model.safetensors, golden.jsonl}. The weights are values that bf16, fp16 and fp32 all hold exactly,
so the storage type changes nothing; the goldens are computed in fp32, without a KV cache, one row at
a time.
Of the seeds tried, the one is kept whose output varies most, with top-2 gaps that are mostly wide,
and whose 16-bit runs (transformers' own) leave the golden only where the gap is very narrow.

Needs torch and transformers >= 5 (made with torch 2.11, transformers 5.17).
Usage: make_hf_goldens.py [NAME...] [--seeds 6]
"""
import argparse
import json
import pathlib
import tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import (AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, GPT2Config,
                          LlamaConfig, MistralConfig, Qwen2Config)

import family_models

HERE = pathlib.Path(__file__).resolve().parent
NEW_TOKENS = 32
# One token, page (128) and two pages crossed while generating, a page boundary, more than two pages.
PROMPT_LENGTHS = [1, 2, 19, 100, 128, 131, 245, 290]
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 64}


def llama(heads, kv_heads, head_dim, hidden, intermediate, cls=LlamaConfig, **extra):
    return cls(num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim,
               hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=2,
               max_position_embeddings=512, bos_token_id=1, pad_token_id=None,
               **{"vocab_size": 331, "eos_token_id": 2, **extra})


def gpt2(heads, hidden, **extra):
    return GPT2Config(n_head=heads, n_embd=hidden, n_positions=333, bos_token_id=0, eos_token_id=0,
                      **{"n_layer": 2, "vocab_size": 331, **extra})


def default_rope(theta):
    return {"rope_type": "default", "rope_theta": theta}


# name: (config, dtype of the stored weights, write config.json in the old style)
MODELS = {
    "llama-mha-hd64-linear": (
        llama(2, 2, 64, 48, 56, tie_word_embeddings=False,
              rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}),
        torch.bfloat16, True),
    "llama-gqa3-hd80": (
        llama(6, 2, 80, 48, 56, tie_word_embeddings=True, rope_parameters=default_rope(10000.0)),
        torch.bfloat16, False),
    "llama-gqa4-hd128-llama3": (
        llama(4, 1, 128, 32, 56, tie_word_embeddings=True, rope_parameters=LLAMA3,
              eos_token_id=[2, 330]),
        torch.bfloat16, False),
    "llama-gqa8-hd64-llama3-old": (
        llama(8, 1, 64, 32, 40, tie_word_embeddings=False, vocab_size=509,
              rope_parameters={**LLAMA3, "factor": 32.0, "original_max_position_embeddings": 128}),
        torch.float16, True),
    "llama-gqa8-hd96-biases": (
        llama(8, 1, 96, 32, 48, tie_word_embeddings=False, attention_bias=True, mlp_bias=True,
              rope_parameters=default_rope(50000.0), rms_norm_eps=1e-6),
        torch.bfloat16, False),
    "llama-gqa4-hd256": (
        llama(4, 1, 256, 24, 40, tie_word_embeddings=True, rope_parameters=default_rope(10000.0)),
        torch.bfloat16, True),
    "qwen2-gqa7-hd32": (
        llama(7, 1, 32, 56, 64, cls=Qwen2Config, tie_word_embeddings=True, vocab_size=317,
              rope_parameters=default_rope(1000000.0), use_sliding_window=False),
        torch.bfloat16, False),
    "qwen2-gqa7-hd64-old": (
        llama(7, 1, 64, 40, 48, cls=Qwen2Config, tie_word_embeddings=False,
              rope_parameters=default_rope(1000000.0), use_sliding_window=False),
        torch.bfloat16, True),
    "mistral-gqa3-hd128": (
        llama(3, 1, 128, 48, 56, cls=MistralConfig, tie_word_embeddings=False, vocab_size=257,
              sliding_window=None, rope_parameters=default_rope(10000.0)),
        torch.bfloat16, False),
    "gpt2-hd64-erf-inner": (
        gpt2(2, 128, n_layer=1, n_inner=100, vocab_size=203, activation_function="gelu"),
        torch.bfloat16, False),
    "gpt2-hd80-untied": (
        gpt2(1, 80, n_inner=96, activation_function="gelu_new", tie_word_embeddings=False),
        torch.bfloat16, False),
    "gpt2-hd96-fp32": (
        gpt2(1, 96, n_layer=1, n_inner=72, activation_function="gelu_new", vocab_size=211),
        torch.float32, False),
}


def auto_class(config):
    return (AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM)


def move_off_defaults(model, generator, spread):
    """Random weights of any family. Norms, whose defaults differ, stay near theirs. Experts differ
    from each other by `spread`."""
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "norm" in name or "ln_" in name:
            p.data = p.data + noise * 0.25
        elif p.dim() == 1:
            p.data = noise * 0.2
        elif "lm_head" in name:
            p.data = noise * (2.0 / p.shape[-1]**0.5)
        elif "embed" in name or "wte" in name:
            p.data = noise * (1.2 / p.shape[-1]**0.5)
        else:
            if ".experts." in name:
                common = torch.randn(p.shape[1:], generator=generator)
                noise = (1 - spread**2)**0.5 * common + spread * noise
            p.data = noise * (1.3 / p.shape[-1]**0.5)


def random_model(config, dtype, seed, is_family_model, spread=0.25):
    """Random weights wide enough that every part of the model moves the output. Experts are so much
    alike that 16-bit runs, which choose others on near ties, do not go astray."""
    generator = torch.Generator().manual_seed(seed)
    model = auto_class(config).from_config(config, attn_implementation="eager").eval()
    if is_family_model:
        move_off_defaults(model, generator, spread)
    else:
        move_llama_or_gpt2(model, config, generator)
    if model.config.get_text_config().tie_word_embeddings:
        randomise_final_norm(model, generator, 1.7 if is_family_model else 1.0)
    for p in model.parameters():  # values that every floating type holds exactly
        p.data = p.data.to(torch.bfloat16).to(torch.float16).float()
    return model.to(dtype)


def randomise_final_norm(model, generator, gain):
    """Scales of any sign: else a tied head finds the last token's own embedding and repeats it."""
    for name, p in model.named_parameters():
        stem = name.removesuffix(".weight").split(".")
        if stem[-1] in ("norm", "ln_f", "final_layer_norm", "final_layernorm") and "layers" not in stem:
            noise = torch.randn(p.shape, generator=generator)
            offset = 1.0 if model.config.model_type.startswith("gemma") else 0.0  # it adds 1
            p.data = noise * gain - offset


def move_llama_or_gpt2(model, config, generator):
    hidden = config.hidden_size
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "norm" in name or "ln_" in name:  # scales near 1, LayerNorm biases near 0
            p.data = noise * 0.1 + (1.0 if name.endswith("weight") else 0.0)
        elif p.dim() == 1:
            p.data = noise * 0.2
        elif "lm_head" in name or ("embed" in name or "wt" in name):
            p.data = noise * (3.0 / hidden**0.5)  # logits of standard deviation 3
        elif "wpe" in name:
            p.data = noise * 0.6
        else:  # GPT-2's Conv1D stores [in, out]
            fan_in = p.shape[0] if config.model_type == "gpt2" else p.shape[1]
            gain = 2.5 if "proj" in name and config.model_type == "gpt2" else 1.3
            p.data = noise * (gain / fan_in**0.5)


@torch.no_grad()
def greedy(model, prompt, eos, count):
    """Greedy ids, log-probabilities and top-2 logit gaps, the whole row recomputed for each token."""
    ids, logprobs, gaps = list(prompt), [], []
    for _ in range(count):
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].double()
        top = torch.topk(logits, 2)
        token = int(top.indices[0])
        gaps.append(round((top.values[0] - top.values[1]).item(), 5))
        logprobs.append(round(torch.log_softmax(logits, -1)[token].item(), 6))
        ids.append(token)
        if token in eos:
            break
    return {"prompt_token_ids": prompt, "greedy_token_ids": ids[len(prompt):],
            "greedy_logprobs": logprobs, "top2_gaps": gaps}


def caches_rightly(config):
    """Not longrope's rows: where they leave its original context, transformers 5.17 drops its cache,
    as all keys turn otherwise then, but feeds nothing but the last token."""
    return (getattr(config, "rope_parameters", None) or {}).get("rope_type") != "longrope"


@torch.no_grad()
def transformers_greedy(model, prompt, count):
    return model.generate(torch.tensor([prompt]), max_new_tokens=count, do_sample=False,
                          use_cache=caches_rightly(model.config),
                          attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                          pad_token_id=0)[0, len(prompt):].tolist()


def gap_where_left(row, tokens):
    """The golden's top-2 gap at the first token that differs; 0 when none does."""
    pairs = zip(row["greedy_token_ids"], tokens, row["top2_gaps"])
    return next((gap for want, got, gap in pairs if want != got), 0.0)


def load(folder, dtype):
    """As a user would load it: casting a whole model with .to() would round RoPE's frequencies too."""
    config = AutoConfig.from_pretrained(folder)
    # Falcon's eager attention adds ALiBi to scores and mask both; by default it is added once.
    attention = "sdpa" if config.model_type == "falcon" else "eager"
    # Experts one by one: grouped products want strides of 16 bytes.
    experts = {"experts_implementation": "eager"} if hasattr(config, "num_experts_per_tok") else {}
    cls = auto_class(config)
    model = cls.from_pretrained(folder, dtype=dtype, attn_implementation=attention, **experts).eval()
    for p in model.parameters():  # MXFP4 is unpacked to bf16 whatever is asked for
        p.data = p.data.to(dtype)
    return model


def judge(rows, folder, count):
    """What is wrong with a seed (lower is better), and why it cannot be used at all (or nothing)."""
    gaps = [gap for row in rows for gap in row["top2_gaps"]]
    narrow = sum(gap < 0.02 for gap in gaps) / len(gaps)
    varied = sum(len(set(row["greedy_token_ids"])) for row in rows) / len(gaps)
    reasons = []
    if any(len(row["greedy_token_ids"]) < count * 3 // 4 for row in rows):
        reasons.append("a row ends early")
    if varied < 0.39:
        reasons.append("tokens repeat")
    if min(gaps) < 1e-4:
        reasons.append(f"gap {min(gaps)}")
    for dtype, limit in ((torch.bfloat16, 0.10), (torch.float16, 0.012)):
        sixteen = load(folder, dtype)
        left = max(gap_where_left(row, transformers_greedy(sixteen, row["prompt_token_ids"],
                                                     len(row["greedy_token_ids"])))
                   for row in rows)
        if left > limit:
            reasons.append(f"{dtype} leaves at gap {left}")
    return narrow - 0.3 * varied, reasons, f"varied {varied:.2f} narrow {narrow:.3f}"


def write_old_style(path):
    """config.json as transformers 4 wrote it: rope_theta, rope_scaling, torch_dtype."""
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    scaling = rope if rope["rope_type"] != "default" else None
    if scaling and scaling["rope_type"] == "linear":
        scaling = {"type": "linear", "factor": rope["factor"]}
    config["rope_scaling"] = scaling
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.46.0"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def mxfp4_of(w):
    """Blocks [..., n, 16] and scales [..., n] nearest to w [..., 32 n], as gpt-oss stores them."""
    blocks = w.float().reshape(*w.shape[:-1], -1, 32)
    exponents = (blocks.abs().amax(-1, keepdim=True) / 6).clamp(min=1e-9).log2().ceil()
    scaled = blocks / 2**exponents
    codes = (scaled.abs()[..., None] - E2M1).abs().argmin(-1) + 8 * (scaled < 0)
    packed = codes[..., 0::2] | codes[..., 1::2] << 4
    return packed.to(torch.uint8), (exponents[..., 0] + 127).to(torch.uint8)


def store_mxfp4(folder):
    """Rewrites a saved gpt-oss with experts in MXFP4."""
    weights, stored = load_file(folder / "model.safetensors"), {}
    for name, w in weights.items():
        if name.endswith(("gate_up_proj", "down_proj")):
            blocks, scales = mxfp4_of(w.transpose(1, 2))
            stored.update({f"{name}_blocks": blocks, f"{name}_scales": scales})
        else:
            stored[name] = w
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": [
        "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def save(name, model, folder):
    model.save_pretrained(folder)
    if name.endswith("mxfp4"):
        store_mxfp4(pathlib.Path(folder))


def prompts_for(vocab_size, lengths, seed):
    generator = torch.Generator().manual_seed(1000 + seed)
    return [torch.randint(3, vocab_size, (n,), generator=generator).tolist() for n in lengths]


def described(name):
    """config, dtype, old style, prompt lengths, new tokens"""
    if name in MODELS:
        return *MODELS[name], PROMPT_LENGTHS, NEW_TOKENS
    config = family_models.FAMILY_MODELS[name]
    lengths = family_models.PROMPTS_OF.get(name, family_models.PROMPTS)
    return config, torch.bfloat16, False, lengths, family_models.NEW_TOKENS


def make(name, seeds):
    config, dtype, old_style, lengths, count = described(name)
    text = config.get_text_config()
    eos = text.eos_token_id if isinstance(text.eos_token_id, list) else [text.eos_token_id]
    is_family_model = name not in MODELS
    best = None
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            save(name, random_model(config, dtype, seed, is_family_model), folder)
            fp32 = load(folder, torch.float32)
            rows = [greedy(fp32, prompt, eos, count)
                    for prompt in prompts_for(text.vocab_size - 3 * is_family_model, lengths, seed)]
            score, reasons, summary = judge(rows, folder, count)
        print(f"{name} seed {seed}: {summary} {'; '.join(reasons) or 'usable'}", flush=True)
        if not reasons and (best is None or score < best[0]):
            best = (score, seed, rows)
            if is_family_model:  # there are many, and each has its log-probabilities
                break
    if best is None:
        print(f"{name}: no usable seed among {seeds}", flush=True)
        return
    _, seed, rows = best
    folder = HERE / "models" / name
    save(name, random_model(config, dtype, seed, is_family_model), folder)
    if old_style:
        write_old_style(folder / "config.json")
    with open(folder / "golden.jsonl", "w") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
    print(f"{name}: seed {seed}, {sum(p.stat().st_size for p in folder.iterdir())} bytes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="models to make (default: all)")
    parser.add_argument("--seeds", type=int, default=6)
    args = parser.parse_args()
    for name in args.names or [*MODELS, *family_models.FAMILY_MODELS]:
        make(name, args.seeds)


if __name__ == "__main__":
    main()
