// The chat template of the model that runs, for rows of messages and for prompts that are made
// such.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "app/job/input/chat_options.h"
#include "app/job/text/told_times.h"
#include "tokenizer/chat_template.h"

namespace eet {

// What the user says about conversations.
struct ChatSettings {
  bool wraps_prompts = false;                // a prompt is a message of the user (--chat)
  std::optional<std::string> system_prompt;  // of conversations that begin without one
  std::string template_file;                 // in place of the model's own; empty: none
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();  // for every template
  std::optional<int64_t> start_time;  // what templates are told, in seconds since 1970
};

// A model's template that is missing or cannot be used matters to conversations only: nothing about
// it is fatal, unless the file is there and cannot be read, or the user names it or asks for all
// prompts to be rendered.
class ModelChat {
 public:
  // No template.
  ModelChat() = default;

  // That of a tokenizer's directory, or of the directory of a tokenizer's file. Throws Error on a
  // bad or missing template that `settings` demand.
  explicit ModelChat(const std::filesystem::path& tokenizer, ChatSettings settings = {});

  // What templates are told of the time, in seconds since 1970; when the chat was made, unless
  // said here or in the settings.
  void set_start(int64_t seconds) {
    job_start_ = ChatTemplate::Time(std::chrono::seconds(seconds));
  }

  // The text of a prompt; `messages` is JSON text that check_messages gave. A list of text parts
  // stays one where the template takes lists, and is else joined by line breaks, as vLLM does. The
  // row's variables win over the user's. Throws BadRow (no_chat_template, invalid_messages).
  std::string render(std::string_view messages, const ChatOptions& options) const;

  // Likewise, with `prompt` as the only message, of the user.
  std::string render_prompt(const std::string& prompt, const ChatOptions& options) const;

  // What templates asked of the time so far, here and in all copies of this.
  const ToldTimes& told_times() const { return *told_; }

  bool wraps_prompts() const { return settings_.wraps_prompts; }
  bool has_template() const { return template_.has_value(); }
  // The text of the template that the settings named; empty where they named none.
  std::string_view named_template() const {
    return settings_.template_file.empty() ? std::string_view() : template_->source();
  }

 private:
  std::string render_list(nlohmann::ordered_json messages, const ChatOptions& options) const;

  ChatSettings settings_;
  std::optional<ChatTemplate> template_;
  bool takes_parts_ = false;
  std::string reason_ = "the model has no chat template";            // where there is none
  ChatTemplate::Time job_start_ = std::chrono::system_clock::now();  // one date for all rows
  std::shared_ptr<ToldTimes> told_ = std::make_shared<ToldTimes>();
};

}  // namespace eet
