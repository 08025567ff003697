// What a row hands to the chat template beside its messages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "app/job/input/json_members.h"

namespace eet {

struct ChatOptions {
  std::string
      variables;  // JSON text of an object: tools, documents, chat_template_kwargs...; or empty
  bool continue_final_message = false;        // the last message goes on, instead of a new one
  std::optional<bool> add_generation_prompt;  // unless the row continues, true by default
  bool operator==(const ChatOptions&) const = default;
};

// Whether `key` is one of tools, tool_choice, documents, chat_template_kwargs, enable_thinking,
// reasoning_effort, add_generation_prompt and continue_final_message.
bool is_chat_option(std::string_view key);

// Takes the option that `member` is; null is as good as absent. With tools, the model is free to
// call one or not: of tool_choice only none and auto are supported. Throws BadRow
// (invalid_parameter, unsupported_parameter).
void take_chat_option(ChatOptions& options, const JsonMember& member);

// add_special_tokens, which only means the same as elsewhere in rows without a conversation.
bool is_special_tokens_option(std::string_view key);

// For a conversation: false is what is done, as by default in vLLM, since templates write their
// special tokens themselves. Throws BadRow (invalid_parameter, unsupported_parameter).
void check_special_tokens_option(const JsonMember& member);

// For a row without a conversation: refuses an option that would be without effect, unless its
// value says that nothing is wanted. Throws BadRow (unsupported_parameter).
void refuse_chat_option(const JsonMember& member);

}  // namespace eet
