// The sampling values of rows that say nothing themselves: flags, generation_config.json, built in.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "lib/sampling/sampling_params.h"

namespace eet {

// Takes the values of generation_config.json in the directory of `model` (a directory, or a file in
// one) for those of `params` that no flag has set: `set_by_flag` has their names. `source` is
// "auto", "none" for none of them, or another such file or its directory. Understood are
// max_new_tokens, min_new_tokens, temperature, top_k, top_p, min_p and repetition_penalty, as in
// vLLM, and do_sample: false, which is a temperature of 0, as in transformers.
//
// Returns what was set and by whom, for people: "temperature 0.7 and top_p 0.8 (generation_config),
// max_tokens 64 (flag)"; empty where everything is built in. Throws Error on a file that is broken,
// or missing where it was named.
std::string apply_generation_config(SamplingParams& params,
                                    const std::set<std::string>& set_by_flag,
                                    const std::filesystem::path& model, const std::string& source);

}  // namespace eet
