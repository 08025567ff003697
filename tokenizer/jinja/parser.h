// Tokens to a parsed template.
#pragma once

#include <string_view>

#include "tokenizer/jinja/ast.h"

namespace eet::jinja {

// Error with a line on what is not well-formed and on what is not supported: {% call %}, {% filter
// %},
// {% with %}, {% raw %}, {% do %}, templates that use others, recursive loops, macros anywhere but
// at the top, unknown filters and tests.
Body parse(std::string_view source);

}  // namespace eet::jinja
