// The messages of a conversation, as OpenAI's chat requests give them.
#pragma once

#include <string>

#include "app/job/input/json_members.h"

namespace eet {

// Checks a list of {"role", "content"} with content as text or as a list of text parts, and gives
// it as JSON text for a chat template: null content is no text, other fields that are null or empty
// lists are left out, and all else (name, tool_calls, weight) is the template's affair. Arguments
// of tool calls become objects where they are JSON in a string, as vLLM gives them to templates.
// Throws BadRow (invalid_messages; unsupported_messages for images, audio and legacy function
// calls, whose content would be lost), which names the place.
std::string check_messages(const JsonMember& member);

}  // namespace eet
