// What one row may ask for, so that no row takes a machine's memory or time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eet {

// Stop strings: each byte of a text costs as many steps as there are strings. Peers take 4 to 16.
inline constexpr size_t kMaxStopStrings = 1024;
inline constexpr size_t kMaxStopBytes = size_t{64} << 10;  // of all of them

// Bytes of one row of the output, as JSON. With what formatting takes a row stays below 1 GiB, and
// far below what a journal holds.
inline constexpr size_t kMaxOutputRowBytes = size_t{128} << 20;

// Fields of a row, and columns of a table: each costs some hundred bytes and a look for
// misspelling.
inline constexpr size_t kMaxRowFields = size_t{1} << 16;

// Memory of a parsed value of a row.
inline constexpr size_t kMaxValueBytes = size_t{384} << 20;

// The same of one whose members keep their order: conversations and what templates are handed,
// which are copied on their way.
inline constexpr size_t kMaxOrderedBytes = size_t{160} << 20;

// A member of an object whose members keep their order is compared with all before it.
inline constexpr size_t kMaxKeyComparisons = 20'000'000;

// What is wrong with the stop strings, or nothing: an empty text.
std::string exceeded_limit(const std::vector<std::string>& stop);

// Throws BadRow (invalid_json) when the JSON text `raw`, of a field `name`, would take more than
// kMaxValueBytes as a value: small members cost much more there than in the text.
void check_value_size(std::string_view name, std::string_view raw);

// Likewise for kMaxOrderedBytes, and when the objects have so many members that kMaxKeyComparisons
// is exceeded. JSON text that is malformed passes.
void check_ordered_value(std::string_view name, std::string_view raw);

// Bytes of `text` as the content of a JSON string.
size_t json_bytes(std::string_view text);

}  // namespace eet
