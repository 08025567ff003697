// What can be said about a request before there is an engine.
#pragma once

#include <cstdint>
#include <optional>

#include "lib/core/error.h"
#include "lib/memory_plan.h"
#include "lib/model/config.h"
#include "lib/request.h"

namespace eet {

// Why this request can never run on the model in an engine of this shape: the prompt (empty_prompt,
// prompt_too_long, token_out_of_range) or the parameters. Nothing when it can, provided there are
// pages enough for it.
std::optional<RowError> check_request(const Request& request, const ModelConfig& config,
                                      const EngineShape& shape);

// Tokens that the request may get: max_tokens, cut to the positions that the prompt leaves (one
// token can follow the last), and one where it is scored. For a request that check_request()
// accepts.
int32_t tokens_that_fit(const Request& request, const EngineShape& shape);

// Those of them that a row of a longrope model gets within the original context: beyond it all keys
// turn otherwise, so that the row is fed anew with what it has generated, as in transformers. Else
// all.
int32_t tokens_before_feeding_anew(const Request& request, const EngineShape& shape);

// Why the request can never have pages enough (does_not_fit) in a cache of `num_slabs` slabs, for
// all its samples. For a request that check_request() accepts. Throws Error when it could in one of
// `num_slabs_without_others`: that is the machine's fault, not the row's.
std::optional<RowError> check_pages(const Request& request, const EngineShape& shape,
                                    PromptPolicy prompt_policy, int64_t num_slabs,
                                    int64_t num_slabs_without_others = 0);

}  // namespace eet
