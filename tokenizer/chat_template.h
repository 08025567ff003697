// A model's own chat template: messages to the text of a prompt.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace eet {

namespace jinja {
class Template;
}

// Renders as `apply_chat_template` of transformers does, with the Jinja template that a model
// publishes. Immutable once loaded: any number of threads may render at the same time.
class ChatTemplate {
 public:
  using Time = std::chrono::system_clock::time_point;
  using Told = std::function<void(std::string_view format, std::string_view text)>;

  // The template of a tokenizer's directory: chat_template.jinja, else `chat_template` of
  // tokenizer_config.json (a string, or a list of {name, template}, of which "default" is taken).
  // The special tokens of tokenizer_config.json and special_tokens_map.json become its variables.
  // Nothing where a model has no template. Throws TokenizerError, which names file and line, on one
  // that is outside the supported subset of Jinja.
  static std::optional<ChatTemplate> load(const std::filesystem::path& directory);

  // As load(), with the template in `file` in place of the model's own.
  static ChatTemplate load_file(const std::filesystem::path& file,
                                const std::filesystem::path& directory);

  // A template from its text. `name` stands for it in messages; `variables`, an object, holds the
  // special tokens ("bos_token", ...).
  ChatTemplate(std::string_view source, std::string name, nlohmann::ordered_json variables);

  // The text of a prompt. Its special tokens are there as text, BOS included where the template
  // writes one: encode it without adding special tokens. `messages` is an array of objects with
  // `role` and `content`; what else a template accepts is its own affair. `variables`, an object,
  // adds to or overrides the special tokens: tools, documents, enable_thinking, ... `now` is what
  // strftime_now tells, in local time, and `told` is called for each of its answers. Throws
  // TokenizerError when the template refuses the messages (raise_exception), uses what is not
  // there, or exceeds its limits.
  std::string render(const nlohmann::ordered_json& messages, bool add_generation_prompt,
                     const nlohmann::ordered_json& variables = nlohmann::ordered_json::object(),
                     Time now = std::chrono::system_clock::now(), const Told& told = {}) const;

  // As render() without a generation prompt, and the text ends with the content of the last
  // message, so that a model goes on with it: transformers' continue_final_message.
  std::string render_unfinished(
      const nlohmann::ordered_json& messages,
      const nlohmann::ordered_json& variables = nlohmann::ordered_json::object(),
      Time now = std::chrono::system_clock::now(), const Told& told = {}) const;

  // Whether the template takes content that is a list of {"type": "text", "text"} parts, and not
  // only strings: then a list should stay one. Found out by rendering one.
  bool takes_parts() const;

  const std::string& source() const { return source_; }

 private:
  static nlohmann::ordered_json special_tokens_of(const std::filesystem::path& directory);

  std::string source_;
  std::string name_;
  std::shared_ptr<const jinja::Template> template_;
  nlohmann::ordered_json variables_;
};

}  // namespace eet
