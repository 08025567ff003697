// What can be said about a request before there is an engine.
#pragma once

#include <optional>

#include "lib/core/error.h"
#include "lib/engine.h"
#include "lib/memory_plan.h"
#include "lib/model/model_config.h"

namespace eet {

// Why this request can never run on the model in an engine of this shape: the prompt (empty_prompt,
// prompt_too_long, token_out_of_range) or the parameters. Nothing when it can, provided there are
// pages enough for it.
std::optional<RowError> check_request(const Request& request, const ModelConfig& config,
                                      const EngineShape& shape);

}  // namespace eet
