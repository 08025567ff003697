#include "lib/request_check.h"

#include <algorithm>

#include "lib/schedule/page_needs.h"
#include "lib/schedule/prompt_passes.h"
#include "lib/schedule/sequence.h"

namespace eet {

std::optional<RowError> check_request(const Request& request, const ModelConfig& config,
                                      const EngineShape& shape) {
  if (request.prompt.empty()) return RowError{"empty_prompt", "the prompt has no tokens"};
  const int64_t prompt_len = fed_tokens(request);
  if (prompt_len > shape.max_model_len) {
    return RowError{"prompt_too_long", concat("the prompt has ", prompt_len, " tokens; at most ",
                                              shape.max_model_len, " fit (--max-model-len)")};
  }
  for (const int32_t id : request.prompt) {
    if (id < 0 || id >= config.vocab_size) {
      return RowError{"token_out_of_range",
                      concat("prompt token id ", id, " is not in [0, ", config.vocab_size, ")")};
    }
  }
  if (auto error = check(request.params, config)) return error;
  if (request.top_logprobs < 0 || request.top_logprobs > kMaxTopLogprobs) {
    return RowError{"invalid_parameter", concat("top_logprobs: expected an integer in [0, ",
                                                kMaxTopLogprobs, "], got ", request.top_logprobs)};
  }
  const int32_t num_samples = request.params.num_samples();
  if (num_samples > shape.max_num_seqs) {
    return RowError{"invalid_parameter",
                    concat(request.params.best_of > 0 ? "best_of" : "n", ": expected at most ",
                           shape.max_num_seqs, " (--max-num-seqs), got ", num_samples)};
  }
  return std::nullopt;
}

int32_t tokens_that_fit(const Request& request, const EngineShape& shape) {
  if (request.score_from) return 1;
  const int64_t room = shape.max_model_len - fed_tokens(request) + 1;
  return static_cast<int32_t>(std::min<int64_t>(request.params.max_tokens, room));
}

int32_t tokens_before_feeding_anew(const Request& request, const EngineShape& shape) {
  const int32_t tokens = tokens_that_fit(request, shape);
  const int64_t room = shape.short_context - fed_tokens(request) + 1;
  const bool leaves = !request.score_from && room > 0 && room < tokens;
  return leaves ? static_cast<int32_t>(room) : tokens;
}

std::optional<RowError> check_pages(const Request& request, const EngineShape& shape,
                                    PromptPolicy prompt_policy, int64_t num_slabs,
                                    int64_t num_slabs_without_others) {
  const int64_t prompt_len = fed_tokens(request);
  const SampleExtent row = {.prompt_len = prompt_len,
                            .max_positions = prompt_len + tokens_that_fit(request, shape) - 1};
  const PageRules rules(shape.page_groups, shape.max_batched_tokens,
                        !replays_prompts(prompt_policy));
  int64_t needed =
      shape.page_groups.slabs_for(rules.pages_of_row(row, request.params.num_samples()));
  if (tokens_before_feeding_anew(request, shape) < tokens_that_fit(request, shape)) {
    SampleExtent anew = row;
    anew.prompt_len = shape.short_context + 1;
    needed = std::max(needed, shape.page_groups.slabs_for(rules.pages_of_row(anew, 1)));
  }
  if (needed <= num_slabs) return std::nullopt;
  const char* unit = shape.page_groups.groups.size() == 1 ? " pages" : " slabs";
  // What a row gets must not depend on what else runs on the machine.
  require(needed > num_slabs_without_others, "not enough memory for a row of ", row.max_positions,
          " positions: it needs ", needed, unit, " of KV cache; there are ", num_slabs, ", and ",
          num_slabs_without_others,
          " if no other program used the device; end those programs, or lower --max-model-len");
  return RowError{"does_not_fit",
                  concat("prompt and max_tokens need ", needed, unit, " of KV cache; there are ",
                         num_slabs, "; lower max_tokens, n or --max-num-seqs")};
}

}  // namespace eet
