// The chat template of the model that runs, for rows of messages.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/chat_template.h"

namespace eet {

// A template that is missing or cannot be used matters to rows of messages only; a file that is
// there and cannot be read is fatal.
class ModelChat {
 public:
  // No template.
  ModelChat() = default;

  // That of a tokenizer's directory, or of the directory of a tokenizer's file.
  explicit ModelChat(const std::filesystem::path& tokenizer);

  // What templates are told of the time, in seconds since 1970; when the chat was made, unless
  // said.
  void set_start(int64_t seconds) {
    job_start_ = ChatTemplate::Time(std::chrono::seconds(seconds));
  }

  // The text of a prompt; `messages` is JSON text that check_messages gave. Throws BadRow
  // (no_chat_template, invalid_messages).
  std::string render(std::string_view messages) const;

 private:
  std::optional<ChatTemplate> template_;
  std::string reason_ = "the model has no chat template";            // where there is none
  ChatTemplate::Time job_start_ = std::chrono::system_clock::now();  // one date for all rows
};

}  // namespace eet
