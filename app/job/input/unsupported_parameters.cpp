#include "app/job/input/unsupported_parameters.h"

#include <algorithm>
#include <iterator>

namespace eet {
namespace {

constexpr UnsupportedParameter kUnsupported[] = {
    // Searches with several beams.
    {"num_beams", "1"},
    {"num_beam_groups", "1"},
    {"beam_width", "1"},
    {"use_beam_search", "false"},
    {"length_penalty", "1"},
    {"diversity_penalty", "0"},
    {"early_stopping", "null"},
    {"constraints", "null"},
    {"force_words_ids", "null"},
    // What may come out.
    {"logit_bias", "{}"},
    {"bad_words", "null"},
    {"bad_words_ids", "null"},
    {"allowed_token_ids", "null"},
    {"suppress_tokens", "null"},
    {"begin_suppress_tokens", "null"},
    {"sequence_bias", "null"},
    {"embedding_bias", "null"},
    {"forced_bos_token_id", "null"},
    {"forced_eos_token_id", "null"},
    {"structured_outputs", "null"},
    {"response_format", R"({"type":"text"})"},
    {"guided_json", "null"},
    {"guided_regex", "null"},
    {"guided_choice", "null"},
    {"guided_grammar", "null"},
    {"guided_decoding", "null"},
    {"guided_whitespace_pattern", "null"},
    {"json_schema", "null"},
    {"grammar", "null"},
    {"ebnf", "null"},
    {"logits_processors", "null"},
    {"custom_logit_processor", "null"},
    // How tokens are drawn.
    {"typical_p", "1"},
    {"typ_p", "1"},
    {"top_a", "0"},
    {"tfs", "1"},
    {"tfs_z", "1"},
    {"epsilon_cutoff", "0"},
    {"eta_cutoff", "0"},
    {"top_n_sigma", "-1"},
    {"top_p_decay", "1"},
    {"top_p_min", "null"},
    {"xtc_probability", "0"},
    {"dry_multiplier", "0"},
    {"dynatemp_range", "0"},
    {"mirostat", "0"},
    {"penalty_alpha", "0"},
    {"guidance_scale", "1"},
    {"no_repeat_ngram_size", "0"},
    {"encoder_no_repeat_ngram_size", "0"},
    {"encoder_repetition_penalty", "1"},
    {"exponential_decay_length_penalty", "null"},
    {"repeat_last_n", "-1"},
    {"watermarking_config", "null"},
    // When a row ends.
    {"max_length", "null"},
    {"min_length", "0"},
    {"max_time", "null"},
    {"t_max_predict_ms", "0"},
    {"eos_token_id", "null"},
    {"end_id", "null"},
    {"ignore_eos_token", "false"},
    {"stop_regex", "null"},
    // What the prompt is.
    {"add_special_tokens", "true"},
    {"truncate_prompt_tokens", "null"},
    {"suffix", "\"\""},
    {"chat_template", "null"},
    {"prompt_embeds", "null"},
    {"mm_processor_kwargs", "null"},
    {"multi_modal_data", "null"},
    {"image_data", "null"},
    {"lora_request", "null"},
    {"lora_path", "null"},
    {"functions", "null"},
    {"function_call", "\"none\""},
    {"modalities", R"(["text"])"},
    {"web_search_options", "null"},
    // What the text and the log-probabilities are.
    {"skip_special_tokens", "true"},
    {"spaces_between_special_tokens", "true"},
    {"detokenize", "true"},
    {"no_stop_trim", "false"},
    {"include_stop_str_in_output", "false"},
    {"prompt_logprobs", "null"},
    {"top_n_tokens", "0"},
    {"n_probs", "0"},
    {"decoder_input_details", "false"},
    {"stream", "false"},
    {"sampling_params", "{}"},
    {"extra_body", "{}"},
    {"generation_config", "null"},
};

constexpr std::string_view kWithoutInfluence[] = {
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "stream_options",
    "parallel_tool_calls",
    "prediction",
    "verbosity",
    "cache_prompt",
    "id_slot",
    "use_cache",
    "return_token_ids",
    "cache_salt",
    "priority",
    "request_id",
    "prompt_cache_retention",
    "return_tokens_as_token_ids",
};

}  // namespace

const UnsupportedParameter* find_unsupported(std::string_view name) {
  const auto* const found = std::ranges::find(kUnsupported, name, &UnsupportedParameter::name);
  return found == std::end(kUnsupported) ? nullptr : found;
}

bool is_without_influence(std::string_view name) {
  return std::ranges::find(kWithoutInfluence, name) != std::end(kWithoutInfluence);
}

}  // namespace eet
