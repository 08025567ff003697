#include "lib/request_check.h"

#include "lib/schedule/sequence.h"

namespace eet {

std::optional<RowError> check_request(const Request& request, const ModelConfig& config,
                                      int64_t max_model_len) {
  if (request.prompt.empty()) return RowError{"empty_prompt", "the prompt has no tokens"};
  const int64_t prompt_len = fed_tokens(request);
  if (prompt_len > max_model_len) {
    return RowError{"prompt_too_long", concat("the prompt has ", prompt_len, " tokens; at most ",
                                              max_model_len, " fit (--max-model-len)")};
  }
  for (const int32_t id : request.prompt) {
    if (id < 0 || id >= config.vocab_size) {
      return RowError{"token_out_of_range",
                      concat("prompt token id ", id, " is not in [0, ", config.vocab_size, ")")};
    }
  }
  return check(request.params, config);
}

}  // namespace eet
