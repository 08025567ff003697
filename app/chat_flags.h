// The flags of conversations, which all commands that read prompts have in common.
#pragma once

#include <CLI/App.hpp>

#include "app/job/text/model_chat.h"

namespace eet {

// Declares the flags; parsing fills `settings`, which must outlive `command`.
void add_chat_options(CLI::App& command, ChatSettings& settings);

}  // namespace eet
