// A JSON value that knows where it stands, so that every complaint names file and field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lib/files/regular_file.h"

namespace eet {

// Reads a whole file of at most 256 MiB; TokenizerFileError when it cannot be read.
std::string read_file(const std::filesystem::path& path, Links links = Links::kInsideFolder);

// Parses a JSON file; TokenizerError naming the file and what is wrong.
nlohmann::json read_json_file(const std::filesystem::path& path,
                              Links links = Links::kInsideFolder);

// Does not own the value. A field that is missing reads as null.
class JsonView {
 public:
  // The root of a document; `file` names it in messages.
  JsonView(const nlohmann::json& value, std::string file)
      : JsonView(value, std::move(file), ": ") {}

  JsonView operator[](const char* key) const;  // of an object or null
  JsonView at(size_t index) const;             // of an array
  size_t size() const { return value_->size(); }

  bool is_null() const { return value_->is_null(); }
  bool is_string() const { return value_->is_string(); }
  bool is_object() const { return value_->is_object(); }
  const std::string& where() const { return where_; }

  // The value; TokenizerError when its type is another one.
  const nlohmann::json::object_t& object() const;
  const nlohmann::json::array_t& array() const;
  const std::string& string() const;
  bool boolean() const;
  double number() const;
  int32_t token_id() const;  // an integer in [0, kMaxTokenId]

  bool boolean_or(bool fallback) const { return is_null() ? fallback : boolean(); }
  std::string string_or(std::string_view fallback) const {
    return is_null() ? std::string(fallback) : string();
  }

  // Throws TokenizerError: "FILE: FIELD: expected EXPECTED, got VALUE".
  [[noreturn]] void fail(std::string_view expected, std::string_view remedy = "") const;

 private:
  JsonView(const nlohmann::json& value, std::string where, std::string_view separator)
      : value_(&value), where_(std::move(where)), separator_(separator) {}

  const nlohmann::json* value_;
  std::string where_;
  std::string_view separator_;  // between `where_` and a field below
};

// Ids index dense tables, so a huge one in a broken file must not ask for gigabytes.
inline constexpr int32_t kMaxTokenId = (1 << 22) - 1;

}  // namespace eet
