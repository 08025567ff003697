#include "app/job/model_chat.h"

#include "app/job/json_members.h"

namespace eet {

ModelChat::ModelChat(const std::filesystem::path& /*tokenizer*/) {}

std::string ModelChat::render(std::string_view /*messages*/) const {
  throw BadRow({"no_chat_template", reason_ + ": give a prompt, not messages"});
}

}  // namespace eet
