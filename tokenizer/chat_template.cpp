#include "tokenizer/chat_template.h"

#include <ctime>
#include <utility>

#include "tokenizer/class_defaults.h"
#include "tokenizer/jinja/python_text.h"
#include "tokenizer/jinja/template.h"
#include "tokenizer/json_view.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

namespace eet {
namespace {

[[noreturn]] void fail(const std::string& name, const jinja::Error& error) {
  const std::string line = error.line() > 0 ? ":" + std::to_string(error.line()) : "";
  throw TokenizerError(name + line + ": chat template: " + error.what());
}

std::tm local_time(ChatTemplate::Time now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm local{};
  localtime_r(&seconds, &local);
  return local;
}

// `chat_template` of tokenizer_config.json: a template, or several with names.
std::optional<std::string> default_template(const JsonView& field) {
  if (field.is_null()) return std::nullopt;
  if (field.is_string()) return field.string();
  for (size_t i = 0; i < field.array().size(); ++i) {
    const JsonView entry = field.at(i);
    if (entry["name"].string() == "default") return entry["template"].string();
  }
  field.fail("a template named 'default'", "or one template as a string");
}

// The tokens with a role that a file names become variables, but for those that are known already.
// Null stands for a role without a token so far.
void add_special_tokens(const JsonView& file, nlohmann::ordered_json& variables) {
  for (const char* role : {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token",
                           "cls_token", "mask_token"}) {
    const auto known = variables.find(role);
    const bool is_known = known != variables.end() && !known->is_null();
    if (is_known || !file.object().contains(role)) continue;
    const JsonView token = file[role];
    variables[role] = token.is_null() ? nlohmann::ordered_json()
                                      : nlohmann::ordered_json(read_added_token(token).content);
  }
}

// What no file names is the tokenizer class's; roles without a token are no variables.
void finish_special_tokens(const std::filesystem::path& directory,
                           nlohmann::ordered_json& variables) {
  const TokenizerConfig config = read_tokenizer_config(directory);
  for (const auto& [role, content] : default_special_tokens(config.tokenizer_class)) {
    variables.emplace(role, content);
  }
  nlohmann::ordered_json named = nlohmann::ordered_json::object();
  for (const auto& [role, content] : variables.items()) {
    if (!content.is_null()) named[role] = content;
  }
  variables = std::move(named);
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, std::string name,
                           nlohmann::ordered_json variables)
    : source_(source), name_(std::move(name)), variables_(std::move(variables)) {
  try {
    template_ = std::make_shared<const jinja::Template>(source);
  } catch (const jinja::Error& error) {
    fail(name_, error);
  }
}

nlohmann::ordered_json ChatTemplate::special_tokens_of(const std::filesystem::path& directory) {
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path path = directory / name;
    if (!std::filesystem::exists(path)) continue;
    const nlohmann::json document = read_json_file(path);
    add_special_tokens(JsonView(document, path.string()), variables);
  }
  finish_special_tokens(directory, variables);
  return variables;
}

ChatTemplate ChatTemplate::load_file(const std::filesystem::path& file,
                                     const std::filesystem::path& directory) {
  if (!std::filesystem::is_regular_file(file)) {
    throw TokenizerError(file.string() + ": expected a file with a chat template, got none");
  }
  return ChatTemplate(read_file(file), file.string(), special_tokens_of(directory));
}

std::optional<ChatTemplate> ChatTemplate::load(const std::filesystem::path& directory) {
  std::optional<std::string> source;
  std::filesystem::path origin = directory / "tokenizer_config.json";
  if (std::filesystem::exists(origin)) {
    const nlohmann::json document = read_json_file(origin);
    source = default_template(JsonView(document, origin.string())["chat_template"]);
  }
  const auto template_path = directory / "chat_template.jinja";
  if (std::filesystem::exists(template_path)) {
    origin = template_path;
    source = read_file(template_path);
  }
  if (!source) return std::nullopt;
  return ChatTemplate(*source, origin.string(), special_tokens_of(directory));
}

std::string ChatTemplate::render(const nlohmann::ordered_json& messages, bool add_generation_prompt,
                                 const nlohmann::ordered_json& variables, Time now,
                                 const Told& told) const {
  // As transformers passes them: tools and documents are there even where there are none.
  nlohmann::ordered_json all = variables_;
  all["messages"] = messages;
  all["tools"] = nullptr;
  all["documents"] = nullptr;
  all["add_generation_prompt"] = add_generation_prompt;
  if (variables.is_object()) all.update(variables);
  try {
    return template_->render(all, {local_time(now), told});
  } catch (const jinja::Error& error) {
    fail(name_, error);
  }
}

std::string ChatTemplate::render_unfinished(const nlohmann::ordered_json& messages,
                                            const nlohmann::ordered_json& variables, Time now,
                                            const Told& told) const {
  constexpr std::string_view kTag = "CONTINUE_FINAL_MESSAGE_TAG ";
  constexpr std::string_view kBareTag = kTag.substr(0, kTag.size() - 1);
  nlohmann::ordered_json marked = messages;
  nlohmann::ordered_json* content = &marked.back()["content"];
  if (content->is_array()) content = &content->back()["text"];
  if (!content->is_string()) {
    throw TokenizerError("expected text in the last message, which is to be continued, got none");
  }
  *content = content->get_ref<const std::string&>() + std::string(kTag);
  std::string text = render(marked, /*add_generation_prompt=*/false, variables, now, told);
  const size_t end = text.rfind(kBareTag);
  if (end == std::string::npos) {
    throw TokenizerError(name_ +
                         ": chat template: the last message, which is to be continued, does not "
                         "appear in the text");
  }
  // A template that trims the content has trimmed the tag's space, and would have trimmed that of
  // the message itself.
  const bool is_trimmed = text.compare(end, kTag.size(), kTag) != 0;
  text.erase(end);
  return is_trimmed ? std::string(jinja::strip(text, {.left = false})) : text;
}

bool ChatTemplate::takes_parts() const {
  constexpr std::string_view kText = "EET_PROBE";
  nlohmann::ordered_json part = {{"type", "text"}, {"text", kText}};
  nlohmann::ordered_json message = {{"role", "user"}};
  message["content"] = nlohmann::ordered_json::array({std::move(part)});
  try {
    const std::string text = render(nlohmann::ordered_json::array({std::move(message)}),
                                    /*add_generation_prompt=*/false);
    // A list that is printed shows the names of its members.
    return text.find(kText) != std::string::npos && text.find("'type'") == std::string::npos &&
           text.find("\"type\"") == std::string::npos;
  } catch (const TokenizerError&) {
    return false;
  }
}

}  // namespace eet
