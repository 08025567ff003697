#include "tokenizer/json_view.h"

#include <cmath>
#include <utility>

#include "lib/files/strict_json.h"
#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

// The largest files of published tokenizers have some 35 MB and 2 million values.
constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr JsonLimits kLimits = {.max_values = size_t{16} << 20,
                                .duplicates = DuplicateKeys::kLastWins};

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

std::string read_file(const std::filesystem::path& path, Links links) {
  try {
    return read_regular_file(path, kMaxFileBytes, links);
  } catch (const FileError& error) {
    throw TokenizerFileError(error.what());
  }
}

nlohmann::json read_json_file(const std::filesystem::path& path, Links links) {
  const std::string content = read_file(path, links);
  try {
    return parse_strict_json(content, kLimits);
  } catch (const JsonError& error) {
    throw TokenizerError(path.string() + ": not valid JSON: " + error.what() +
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
  if (!value_->is_number() || !std::isfinite(value_->get<double>())) fail("a number");
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
