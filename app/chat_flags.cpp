#include "app/chat_flags.h"

#include <CLI/Config.hpp>
#include <CLI/Error.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "app/job/local_time.h"
#include "lib/core/error.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

constexpr const char* kKwargs = "--chat-template-kwargs";

nlohmann::ordered_json object_of(const std::string& text) {
  nlohmann::ordered_json object =
      nlohmann::ordered_json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    throw CLI::ValidationError(
        kKwargs, "expected a JSON object, as {\"enable_thinking\": false}, got " + text);
  }
  return object;
}

int64_t start_of(const std::string& text) {
  const std::optional<int64_t> seconds = parse_local_time(text);
  if (!seconds) {
    throw CLI::ValidationError(
        "--start-time", "expected a local time as 2026-01-31T09:30:00 or 2026-01-31, got " + text);
  }
  return *seconds;
}

}  // namespace

void add_chat_options(CLI::App& command, ChatSettings& settings) {
  const std::string group = "Chat";
  command
      .add_flag("--chat", settings.wraps_prompts,
                "Prompts are messages of a user: the model's chat template renders them")
      ->group(group);
  command
      .add_option_function<std::string>(
          "--system-prompt",
          [&settings](const std::string& text) {
            if (!is_utf8(text)) throw CLI::ValidationError("--system-prompt", "expected UTF-8");
            settings.system_prompt = text;
          },
          "First message of conversations, and of prompts with --chat, that begin without one")
      ->type_name("TEXT")
      ->group(group);
  command
      .add_option("--chat-template", settings.template_file,
                  "A Jinja template in place of the model's own")
      ->check(CLI::ExistingFile)
      ->type_name("FILE")
      ->group(group);
  command
      .add_option_function<std::string>(
          kKwargs, [&settings](const std::string& text) { settings.variables = object_of(text); },
          "What the template is handed, as a JSON object: {\"enable_thinking\": false}; a row's\n"
          "chat_template_kwargs win over it")
      ->type_name("JSON")
      ->group(group);
  command
      .add_option_function<std::string>(
          "--start-time",
          [&settings](const std::string& text) { settings.start_time = start_of(text); },
          "What templates are told of the time, as 2026-01-31T09:30:00 or 2026-01-31 by the local\n"
          "clock; else when the job first started. Shards on several machines need the same")
      ->type_name("TIME")
      ->group(group);
}

}  // namespace eet
