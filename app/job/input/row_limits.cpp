#include "app/job/input/row_limits.h"

#include <nlohmann/json.hpp>

#include "app/job/input/json_members.h"
#include "lib/core/error.h"

namespace eet {
namespace {

using nlohmann::json;

// Adds up what the values of a document take in memory, with what an allocation costs, and how many
// pairs of keys the objects have. Stops when there are more than allowed.
class SizeCounter : public json::json_sax_t {
 public:
  SizeCounter(size_t max_bytes, size_t max_key_pairs)
      : max_bytes_(max_bytes), max_key_pairs_(max_key_pairs) {}

  bool has_too_many_bytes() const { return bytes_ > max_bytes_; }
  bool has_too_many_keys() const { return key_pairs_ > max_key_pairs_; }

  bool null() override { return add(0); }
  bool boolean(bool) override { return add(0); }
  bool number_integer(number_integer_t) override { return add(0); }
  bool number_unsigned(number_unsigned_t) override { return add(0); }
  bool number_float(number_float_t, const string_t&) override { return add(0); }
  bool string(string_t& text) override { return add(sizeof(string_t) + kHeap + text.size()); }
  bool binary(binary_t&) override { return add(0); }
  bool start_object(size_t) override {
    keys_.push_back(0);
    return add(sizeof(json::object_t) + kHeap);
  }
  bool end_object() override {
    keys_.pop_back();
    return true;
  }
  bool start_array(size_t) override { return add(sizeof(json::array_t) + kHeap + kHeap); }
  bool end_array() override { return true; }
  bool key(string_t& name) override {
    key_pairs_ += keys_.back()++;
    return !has_too_many_keys() && add(kTreeNode + sizeof(string_t) + name.size());
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  static constexpr size_t kHeap = 16;
  static constexpr size_t kTreeNode = 48;

  // A list that grows holds its items twice for a moment, and half as much again is not used.
  bool add(size_t more) {
    bytes_ += 2 * sizeof(json) + more;
    return !has_too_many_bytes();
  }

  const size_t max_bytes_;
  const size_t max_key_pairs_;
  size_t bytes_ = 0;
  size_t key_pairs_ = 0;
  std::vector<size_t> keys_;  // of each open object
};

// No value takes more than this many times its text: an object in an object.
constexpr size_t kMaxGrowth = 64;

[[noreturn]] void fail_too_large(std::string_view name, size_t max_bytes) {
  throw BadRow({"invalid_json", concat(name, ": expected a value of at most ", max_bytes >> 20,
                                       " MiB in memory, got more")});
}

}  // namespace

std::string exceeded_limit(const std::vector<std::string>& stop) {
  if (stop.size() > kMaxStopStrings) {
    return concat("at most ", kMaxStopStrings, " stop strings, got ", stop.size());
  }
  size_t bytes = 0;
  for (const std::string& each : stop) bytes += each.size();
  if (bytes <= kMaxStopBytes) return {};
  return concat("stop strings of at most ", kMaxStopBytes, " bytes together, got ", bytes);
}

void check_value_size(std::string_view name, std::string_view raw) {
  if (raw.size() <= kMaxValueBytes / kMaxGrowth) return;
  SizeCounter counter(kMaxValueBytes, SIZE_MAX);
  json::sax_parse(raw.begin(), raw.end(), &counter);
  if (counter.has_too_many_bytes()) fail_too_large(name, kMaxValueBytes);
}

void check_ordered_value(std::string_view name, std::string_view raw) {
  constexpr size_t kSmall = size_t{16} << 10;  // cannot exceed either
  if (raw.size() <= kSmall) return;
  SizeCounter counter(kMaxOrderedBytes, kMaxKeyComparisons);
  json::sax_parse(raw.begin(), raw.end(), &counter);
  if (counter.has_too_many_bytes()) fail_too_large(name, kMaxOrderedBytes);
  if (counter.has_too_many_keys()) {
    throw BadRow({"invalid_json", concat(name,
                                         ": expected objects of some hundred members at "
                                         "most, got thousands")});
  }
}

size_t json_bytes(std::string_view text) {
  constexpr size_t kUnicodeEscape = 6;
  size_t bytes = text.size();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\' || (byte >= '\b' && byte <= '\r' && byte != '\v')) {
      bytes += 1;
    } else if (byte < ' ') {
      bytes += kUnicodeEscape - 1;
    }
  }
  return bytes;
}

}  // namespace eet
