// JSON from anywhere, in time and memory linear in its size.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace eet {

// What is wrong with a document, without its name.
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class DuplicateKeys { kRefuse, kLastWins };

struct JsonLimits {
  int max_depth = 64;                   // the files of models nest less than ten levels
  size_t max_values = size_t{4} << 20;  // of all kinds; each costs up to some 200 bytes
  DuplicateKeys duplicates = DuplicateKeys::kRefuse;
};

// Throws JsonError on text that is malformed or exceeds the limits. NaN, Infinity and -Infinity are
// numbers, as Python's json writes and reads them.
nlohmann::json parse_strict_json(std::string_view text, const JsonLimits& limits = {});

// A value as text, for messages: one such number by itself is written as it is read.
std::string text_of_json(const nlohmann::json& value);

}  // namespace eet
