// Parameters of peers that this program does not have.
#pragma once

#include <string_view>

namespace eet {

// A parameter, and the value with which leaving it out changes nothing. Passing any other through
// in silence would give the wrong completion.
struct UnsupportedParameter {
  std::string_view name;
  std::string_view neutral;  // JSON text; null is always neutral, and false, 0 and empty values
                             // are where the neutral value is null
};

// Null where `name` is none of transformers', vLLM's, SGLang's, TensorRT-LLM's, TGI's, llama.cpp's
// or OpenAI's that are unsupported. Words that rows often have for other purposes are left out.
const UnsupportedParameter* find_unsupported(std::string_view name);

// Whether `name` is a parameter, of OpenAI's bodies or of peers' rows, that never changes a
// completion.
bool is_without_influence(std::string_view name);

}  // namespace eet
