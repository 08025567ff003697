#include "tokenizer/json_view.h"

#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

// A value as a message shows it.
std::string excerpt(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 80) + "...";
  return text;
}

const nlohmann::json& null_value() {
  static const nlohmann::json null;
  return null;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw TokenizerError(path.string() + ": expected a file, got a directory");
  }
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && !file.eof()) throw TokenizerError(path.string() + ": cannot be read");
  return content;
}

nlohmann::json read_json_file(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  try {
    return nlohmann::json::parse(content);
  } catch (const nlohmann::json::exception& error) {
    // The message quotes the last token read, which may be megabytes long.
    throw TokenizerError(path.string() +
                         ": not valid JSON: " + std::string(error.what()).substr(0, 160) +
                         "; the file may be truncated, download it again");
  }
}

JsonView JsonView::operator[](const char* key) const {
  std::string where = where_ + std::string(separator_) + key;
  if (is_null()) return {null_value(), std::move(where), "."};
  const auto found = object().find(key);
  return {found == object().end() ? null_value() : found->second, std::move(where), "."};
}

JsonView JsonView::at(size_t index) const {
  return {array().at(index), where_ + "[" + std::to_string(index) + "]", "."};
}

const nlohmann::json::object_t& JsonView::object() const {
  if (!value_->is_object()) fail("an object");
  return value_->get_ref<const nlohmann::json::object_t&>();
}

const nlohmann::json::array_t& JsonView::array() const {
  if (!value_->is_array()) fail("an array");
  return value_->get_ref<const nlohmann::json::array_t&>();
}

const std::string& JsonView::string() const {
  if (!value_->is_string()) fail("a string");
  return value_->get_ref<const std::string&>();
}

bool JsonView::boolean() const {
  if (!value_->is_boolean()) fail("true or false");
  return value_->get<bool>();
}

double JsonView::number() const {
  if (!value_->is_number()) fail("a number");
  return value_->get<double>();
}

int32_t JsonView::token_id() const {
  const bool fits = value_->is_number_integer() && *value_ >= 0 && *value_ <= kMaxTokenId;
  if (!fits) fail("a token id from 0 to " + std::to_string(kMaxTokenId));
  return value_->get<int32_t>();
}

void JsonView::fail(std::string_view expected, std::string_view remedy) const {
  std::string message =
      where_ + ": expected " + std::string(expected) + ", got " + excerpt(*value_);
  if (!remedy.empty()) message += "; " + std::string(remedy);
  throw TokenizerError(message);
}

}  // namespace eet
