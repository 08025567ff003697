#include "app/job/text/model_chat.h"

#include <nlohmann/json.hpp>

#include "app/job/input/json_members.h"
#include "app/model_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace eet {

ModelChat::ModelChat(const std::filesystem::path& tokenizer) {
  try {
    template_ = open_chat_template(tokenizer);
  } catch (const TokenizerFileError&) {
    throw;
  } catch (const TokenizerError& error) {
    reason_ = error.what();
  }
}

std::string ModelChat::render(std::string_view messages) const {
  using nlohmann::ordered_json;
  if (!template_) {
    throw BadRow({"no_chat_template", reason_ + ": give a prompt, not messages"});
  }
  try {
    return template_->render(ordered_json::parse(messages), /*add_generation_prompt=*/true,
                             ordered_json::object(), job_start_);
  } catch (const TokenizerError& error) {
    throw BadRow({"invalid_messages", concat("messages: ", error.what())});
  }
}

}  // namespace eet
