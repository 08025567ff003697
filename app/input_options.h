// The flags of the input's format, which all commands that read prompts have in common.
#pragma once

#include <CLI/App.hpp>

#include "app/job/input/input_format.h"
#include "app/job/text/prompt_encoder.h"

namespace eet {

// Declares the flags; parsing fills the arguments, whose values so far are the defaults. They must
// outlive `command`.
void add_input_options(CLI::App& command, InputOptions& input, LongPrompts& long_prompts);

}  // namespace eet
