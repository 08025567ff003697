#include "app/job/text/model_chat.h"

#include <utility>

#include "app/job/input/json_members.h"
#include "app/job/text/model_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

using nlohmann::ordered_json;

void join_parts(ordered_json& messages) {
  for (ordered_json& message : messages) {
    ordered_json& content = message["content"];
    if (!content.is_array()) continue;
    std::string text;
    for (const ordered_json& part : content) {
      if (&part != &content.front()) text += '\n';
      text += part["text"].get_ref<const std::string&>();
    }
    content = std::move(text);
  }
}

}  // namespace

ModelChat::ModelChat(const std::filesystem::path& tokenizer, ChatSettings settings)
    : settings_(std::move(settings)) {
  if (settings_.start_time) set_start(*settings_.start_time);
  const bool is_directory = std::filesystem::is_directory(tokenizer);
  const std::filesystem::path directory = is_directory ? tokenizer : tokenizer.parent_path();
  try {
    template_ = settings_.template_file.empty()
                    ? open_chat_template(tokenizer)
                    : ChatTemplate::load_file(settings_.template_file, directory);
  } catch (const TokenizerFileError&) {
    throw;
  } catch (const TokenizerError& error) {
    reason_ = error.what();
    if (!settings_.template_file.empty()) throw Error(reason_);
  }
  require(template_ || !settings_.wraps_prompts, reason_,
          ", which --chat needs: give one with --chat-template FILE, or prompts without --chat");
  takes_parts_ = template_ && template_->takes_parts();
}

std::string ModelChat::render(std::string_view messages, const ChatOptions& options) const {
  return render_list(ordered_json::parse(messages), options);
}

std::string ModelChat::render_prompt(const std::string& prompt, const ChatOptions& options) const {
  return render_list(ordered_json::array({{{"role", "user"}, {"content", prompt}}}), options);
}

std::string ModelChat::render_list(ordered_json messages, const ChatOptions& options) const {
  if (!template_) {
    throw BadRow({"no_chat_template", reason_ + ": give a prompt, not messages"});
  }
  const ordered_json& role = messages.front()["role"];
  if (settings_.system_prompt && role != "system" && role != "developer") {
    messages.insert(messages.begin(),
                    ordered_json{{"role", "system"}, {"content", *settings_.system_prompt}});
  }
  if (!takes_parts_) join_parts(messages);
  ordered_json variables = settings_.variables;
  if (!options.variables.empty()) variables.update(ordered_json::parse(options.variables));
  const auto told = [this](std::string_view format, std::string_view text) {
    told_->add(format, text);
  };
  try {
    if (options.continue_final_message) {
      return template_->render_unfinished(messages, variables, job_start_, told);
    }
    return template_->render(messages, options.add_generation_prompt.value_or(true), variables,
                             job_start_, told);
  } catch (const TokenizerError& error) {
    throw BadRow({"invalid_messages", concat("messages: ", error.what())});
  }
}

}  // namespace eet
