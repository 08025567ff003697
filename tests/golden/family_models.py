"""Tiny models of every family, for make_hf_goldens.py: configurations and prompt lengths.

Each has what makes its family different: windows shorter than the prompts, layers of every kind,
contexts on both sides of the borders of windows, pages (128 tokens) and rotations.
"""
import transformers as hf

# Around windows of 24 and 100, one page, two pages.
PROMPTS = [1, 21, 98, 126, 131, 250]
# longrope: at the border of its original context, 128, and across it while tokens are generated.
PROMPTS_OF = {"phi3-longrope": [1, 21, 98, 120, 129, 250, 117, 128]}
NEW_TOKENS = 8
WINDOW = {"sliding_window": 24}
SLIDING, FULL = "sliding_attention", "full_attention"

SIZES = dict(vocab_size=131, hidden_size=32, intermediate_size=56, num_hidden_layers=3,
             num_attention_heads=4, max_position_embeddings=320, bos_token_id=1, eos_token_id=2,
             pad_token_id=None)


def sized(cls, **extra):
    return cls(**{**SIZES, **extra})


def rope(theta=10000.0, **extra):
    return {"rope_type": "default", "rope_theta": theta, **extra}


def yarn(**extra):
    return {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
            "original_max_position_embeddings": 80, **extra}


def longrope(pairs, original, **extra):
    return {"rope_type": "longrope", "rope_theta": 10000.0,
            "short_factor": [1.0 + 0.05 * i for i in range(pairs)],
            "long_factor": [1.5 + 0.7 * i for i in range(pairs)],
            "original_max_position_embeddings": original, **extra}


def gptj(**extra):
    return hf.GPTJConfig(vocab_size=131, n_embd=48, n_layer=3, n_head=3, n_positions=320,
                         rotary_dim=12, bos_token_id=1, eos_token_id=2, **extra)


def bloom(**extra):
    return hf.BloomConfig(vocab_size=131, hidden_size=48, n_layer=3, n_head=6, bos_token_id=1,
                          eos_token_id=2, seq_length=320, **extra)


def falcon(**extra):
    sizes = {key: value for key, value in SIZES.items() if key != "intermediate_size"}
    return hf.FalconConfig(**{**sizes, "ffn_hidden_size": 72, "num_kv_heads": None, **extra})


def opt(**extra):
    sizes = {key: value for key, value in SIZES.items() if key != "intermediate_size"}
    return hf.OPTConfig(**{**sizes, "ffn_dim": 56, **extra})


def gemma3_text(**extra):
    return dict(SIZES, num_key_value_heads=2, head_dim=16, query_pre_attn_scalar=20,
                layer_types=[SLIDING, FULL, SLIDING], sliding_window=24, **extra)


def gemma3_multimodal():
    vision = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
                  image_size=4, patch_size=2)
    return hf.Gemma3Config(text_config=gemma3_text(), vision_config=vision, mm_tokens_per_image=4,
                           image_token_index=130, boi_token_index=128, eoi_token_index=129)


def experts(cls, count, top_k, **extra):
    """Mixtures of experts: small MLPs, as many as make routing matter."""
    return sized(cls, **{"num_hidden_layers": 2, "intermediate_size": 16, "num_key_value_heads": 2,
                         "num_experts_per_tok": top_k, **extra},
                 **{"num_experts" if "Qwen" in cls.__name__ or "Olmoe" in cls.__name__
                    else "num_local_experts": count})


def gpt_oss(**extra):
    return experts(hf.GptOssConfig, 5, 2, head_dim=16, **WINDOW,
                   rope_parameters=yarn(rope_theta=150000.0, truncate=False), **extra)


FAMILY_MODELS = {
    "qwen2-windows": sized(hf.Qwen2Config, num_key_value_heads=2, use_sliding_window=True,
                           max_window_layers=1, **WINDOW),
    "qwen3-tied": sized(hf.Qwen3Config, num_key_value_heads=2, head_dim=16,
                        tie_word_embeddings=True, rope_parameters=rope(1e6)),
    "qwen3-windows-biases-yarn": sized(
        hf.Qwen3Config, num_key_value_heads=1, head_dim=24, attention_bias=True,
        use_sliding_window=True, sliding_window=100, max_window_layers=2, rope_parameters=yarn()),
    "mistral-window": sized(hf.MistralConfig, num_key_value_heads=2, head_dim=16, **WINDOW),
    "ministral-layers": sized(hf.MinistralConfig, num_key_value_heads=2, head_dim=16,
                              layer_types=[FULL, SLIDING, SLIDING], **WINDOW),
    "llama-dynamic": sized(hf.LlamaConfig, num_key_value_heads=2, head_dim=16, mlp_bias=True,
                           rope_parameters=rope(rope_type="dynamic", factor=2.0)),
    "llama-yarn-mscale": sized(hf.LlamaConfig, num_key_value_heads=4, head_dim=16,
                               rope_parameters=yarn(
        mscale=0.8, mscale_all_dim=0.5, beta_fast=8, beta_slow=2, truncate=False)),
    "gemma": sized(hf.GemmaConfig, num_key_value_heads=1, head_dim=16),
    "gemma2": sized(hf.Gemma2Config, num_key_value_heads=2, head_dim=16, query_pre_attn_scalar=24,
                    attn_logit_softcapping=2.0, final_logit_softcapping=12.0, **WINDOW),
    "gemma3-text": hf.Gemma3TextConfig(
        **gemma3_text(), rope_parameters={FULL: rope(1e6, rope_type="linear", factor=8.0),
                                          SLIDING: rope(1e4)}),
    "gemma3-multimodal": gemma3_multimodal(),
    "phi": sized(hf.PhiConfig, hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
                 rope_parameters=rope(partial_rotary_factor=0.4)),
    "phi-qk-norm": sized(hf.PhiConfig, num_key_value_heads=2, qk_layernorm=True,
                         hidden_size=64, num_hidden_layers=2),
    "phi3-window": sized(hf.Phi3Config, num_key_value_heads=2, sliding_window=100, pad_token_id=0),
    "phi3-longrope": sized(hf.Phi3Config, hidden_size=64, num_hidden_layers=2,
                           num_key_value_heads=2, pad_token_id=0,
                           original_max_position_embeddings=128, tie_word_embeddings=True,
                           rope_parameters=longrope(6, 128, partial_rotary_factor=0.75)),
    "olmo": sized(hf.OlmoConfig, num_key_value_heads=2),
    "olmo2": sized(hf.Olmo2Config, num_key_value_heads=2, hidden_size=64, num_hidden_layers=2),
    "olmo3": sized(hf.Olmo3Config, num_hidden_layers=4, num_key_value_heads=2,
                   rope_parameters={FULL: yarn(rope_theta=5e5), SLIDING: rope(5e5)}, **WINDOW),
    "smollm3": sized(hf.SmolLM3Config, num_key_value_heads=2, no_rope_layers=[1, 0, 1],
                     use_sliding_window=True, **WINDOW),
    "granite": sized(hf.GraniteConfig, num_key_value_heads=2, embedding_multiplier=3.0,
                     logits_scaling=0.7, residual_multiplier=0.6, attention_multiplier=0.5,
                     attention_bias=True),
    "opt": opt(),
    "opt-350m-kind": opt(do_layer_norm_before=False, word_embed_proj_dim=24),
    "opt-plain": opt(enable_bias=False, layer_norm_elementwise_affine=False,
                     activation_function="gelu", tie_word_embeddings=False, word_embed_proj_dim=24),
    "gpt-neox-parallel": sized(hf.GPTNeoXConfig, hidden_size=64, num_hidden_layers=2),
    "gpt-neox-sequential": sized(hf.GPTNeoXConfig, use_parallel_residual=False,
                                 attention_bias=False,
                                 rope_parameters=rope(partial_rotary_factor=1.0)),
    "gptj": gptj(),
    "falcon-7b-kind": falcon(num_attention_heads=2, bias=True, alibi=False),
    "falcon-40b-kind": falcon(num_kv_heads=2, new_decoder_architecture=True, hidden_size=64,
                              num_hidden_layers=2),
    "falcon-one-norm": falcon(num_kv_heads=1, new_decoder_architecture=True,
                              num_ln_in_parallel_attn=1, tie_word_embeddings=False),
    "falcon-rw-kind": falcon(alibi=True, multi_query=False, parallel_attn=False, bias=True),
    "bloom": bloom(),
    "stablelm": sized(hf.StableLmConfig, num_key_value_heads=2, use_qkv_bias=True,
                      hidden_size=64, num_hidden_layers=2),
    "stablelm-12b-kind": sized(hf.StableLmConfig, num_key_value_heads=2, hidden_size=64,
                               num_hidden_layers=2,
                               qk_layernorm=True, use_parallel_residual=True),
    "starcoder2": sized(hf.Starcoder2Config, num_key_value_heads=2, **WINDOW),
    "cohere": sized(hf.CohereConfig, num_key_value_heads=2, use_qk_norm=True, logit_scale=0.8,
                    pad_token_id=0),
    "cohere2": sized(hf.Cohere2Config, num_hidden_layers=4, num_key_value_heads=2, logit_scale=0.8,
                     pad_token_id=0, attention_bias=True, **WINDOW),
    "exaone4": sized(hf.Exaone4Config, num_hidden_layers=4, num_key_value_heads=2, **WINDOW),
    "exaone4-full": sized(hf.Exaone4Config, num_key_value_heads=2, sliding_window=None,
                          layer_types=[FULL] * 3),
    "seed-oss": sized(hf.SeedOssConfig, num_key_value_heads=2, head_dim=16, mlp_bias=True),
    "mixtral": experts(hf.MixtralConfig, 4, 2, head_dim=16, **WINDOW),
    "qwen2-moe": experts(hf.Qwen2MoeConfig, 6, 3, num_hidden_layers=3, moe_intermediate_size=12,
                         intermediate_size=40, shared_expert_intermediate_size=20,
                         mlp_only_layers=[1], use_sliding_window=True, max_window_layers=2,
                         **WINDOW),
    "qwen3-moe": experts(hf.Qwen3MoeConfig, 16, 4, num_hidden_layers=3, head_dim=16,
                         moe_intermediate_size=8, intermediate_size=40, decoder_sparse_step=2,
                         norm_topk_prob=True, rope_parameters=rope(1e6)),
    "granitemoe": experts(hf.GraniteMoeConfig, 5, 2, embedding_multiplier=3.0, logits_scaling=0.7,
                          residual_multiplier=0.6, attention_multiplier=0.5),
    "granitemoeshared": experts(hf.GraniteMoeSharedConfig, 5, 2, shared_intermediate_size=20,
                                attention_bias=True, tie_word_embeddings=True,
                                embedding_multiplier=3.0, logits_scaling=0.7,
                                residual_multiplier=0.6, attention_multiplier=0.5),
    "olmoe": experts(hf.OlmoeConfig, 8, 3, intermediate_size=12),
    "gpt-oss": gpt_oss(),
    # Its experts are stored in MXFP4, whose blocks have 32 elements.
    "gpt-oss-mxfp4": gpt_oss(intermediate_size=32),
    "nemotron": sized(hf.NemotronConfig, num_key_value_heads=2, head_dim=16, attention_bias=True),
}
