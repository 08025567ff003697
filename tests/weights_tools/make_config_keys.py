#!/usr/bin/env python3
"""Writes weights_tools/config_keys.inc: what transformers knows of config.json's keys.

kHarmless: keys that transformers' own base configuration and generation configuration write for
every model, that older versions wrote, that exporters and trainers leave behind, and those of the
supported families that only training reads (dropout, initialisation).
kImplemented: every other key of the configuration classes of the supported families. A key of these
changes what their implementations compute, so that a family either understands it or refuses it.

Needs transformers (made with 5.17). Usage: make_config_keys.py >weights_tools/config_keys.inc
"""
import re

import transformers
from transformers import CONFIG_MAPPING, GenerationConfig, PreTrainedConfig

FAMILIES = """gpt2 llama mistral ministral qwen2 qwen3 gemma gemma2 gemma3_text phi phi3 olmo olmo2 olmo3
smollm3 granite opt gpt_neox gptj falcon bloom stablelm starcoder2 cohere cohere2 exaone4 seed_oss
nemotron mixtral qwen2_moe qwen3_moe granitemoe granitemoeshared olmoe gpt_oss""".split()

# Keys that must be looked at although every configuration has them.
DECISIVE = {"is_encoder_decoder", "add_cross_attention", "pruned_heads", "quantization_config",
            "tie_word_embeddings", "bos_token_id", "eos_token_id", "model_type", "layer_types",
            "sliding_window", "hidden_size", "num_attention_heads", "vocab_size"}

# Written by transformers 4 and by what builds on it, and read by no forward pass.
LEFT_BEHIND = """_name_or_path architectures auto_map transformers_version torch_dtype dtype use_cache
gradient_checkpointing torchscript use_bfloat16 chunk_size_feed_forward is_decoder return_dict
return_dict_in_generate output_attentions output_hidden_states output_scores tokenizer_class
attn_implementation finetuning_task id2label label2id num_labels problem_type prefix
task_specific_params cross_attention_hidden_size tie_encoder_decoder decoder_start_token_id
sep_token_id pad_token_id cls_token_id mask_token_id unk_token_id forced_bos_token_id
forced_eos_token_id suppress_tokens begin_suppress_tokens remove_invalid_values
exponential_decay_length_penalty bad_words_ids diversity_penalty num_beam_groups early_stopping
num_return_sequences encoder_no_repeat_ngram_size no_repeat_ngram_size typical_p tf_legacy_loss
pretraining_tp max_sequence_length model_max_length is_llama_config transformers.js_config
unsloth_fixed unsloth_version unsloth_training_args peft_type base_model_name_or_path lora_alpha
n_special predict_special_tokens output_past summary_activation summary_first_dropout
summary_proj_to_labels summary_type summary_use_proj classifier_dropout classifier_head
neftune_noise_alpha trl_version training_args keys_to_ignore_at_inference
onnx gguf vllm cache_implementation use_flash_attn use_flash_attention
flash_attn use_fused_mlp fused_dense low_cpu_mem_usage init_device seed slow_but_exact
gradient_checkpointing_kwargs datasets library_name license tags language date model_name
torch_compile attention_softmax_in_fp32
masked_softmax_fusion unk_token pad_token bos_token eos_token""".split()

TRAINING = re.compile(r"dropout|pdrop|layerdrop|^init(ializer)?_|initializer_range|^init_std$|"
                      r"^router_(aux_loss_coef|jitter_noise)$|^output_router_logits$")


def plain(keys):
    return {key for key in keys if not key.startswith("_")}


def main():
    harmless = plain(PreTrainedConfig().to_dict()) | plain(GenerationConfig().to_dict())
    harmless |= plain(LEFT_BEHIND)
    implemented = set()
    for name in FAMILIES:
        keys = plain(CONFIG_MAPPING[name]().to_dict())
        harmless |= {key for key in keys if TRAINING.search(key)}
        implemented |= keys
    harmless -= DECISIVE
    implemented -= harmless
    print(f"// Written by tests/weights_tools/make_config_keys.py from transformers "
          f"{transformers.__version__}.")
    for title, keys in (("kHarmless", harmless), ("kImplemented", implemented)):
        print(f"constexpr std::string_view {title}[] = {{")
        for key in sorted(keys):
            print(f'    "{key}",')
        print("};")


if __name__ == "__main__":
    main()
