// The messages of a conversation, as OpenAI's chat requests give them.
#pragma once

#include <string>

#include "app/job/input/row_parameters.h"

namespace eet {

// Checks a list of {"role", "content"} with content as text or as a list of {"type": "text",
// "text"} parts, and gives it as JSON text with each content one string (parts are joined by line
// breaks, as vLLM does). Throws BadRow (invalid_messages; unsupported_messages for what is known
// but not supported: images, audio, tools), which names the place.
std::string check_messages(const Field& field);

}  // namespace eet
