#include "app/job/input/json_members.h"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace eet {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;
constexpr size_t kMaxDetailBytes = 200;

// Checks a document as the parser walks it and collects the keys of the outermost object.
class MemberCollector : public json::json_sax_t {
 public:
  explicit MemberCollector(size_t max_members) : max_members_(max_members) {}

  std::vector<std::string> take_keys() { return std::move(keys_); }
  const RowError& error() const { return error_; }

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_object(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return depth_ == 0 ? value() : open(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (depth_ != 1) return true;
    if (!seen_.insert(name).second) {
      return reject("duplicate_key", "the key \"" + name + "\" is given twice");
    }
    if (keys_.size() == max_members_) {
      return reject("invalid_json", concat("expected at most ", max_members_, " fields, got more"));
    }
    keys_.push_back(name);
    return true;
  }

  bool parse_error(size_t position, const std::string& /*last_token*/,
                   const nlohmann::detail::exception& ex) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 7: <what a reader needs>"
    std::string_view detail = ex.what();
    if (const size_t colon = detail.find(": "); colon != std::string_view::npos) {
      detail.remove_prefix(colon + 2);
    }
    if (detail.size() > kMaxDetailBytes) detail = detail.substr(0, kMaxDetailBytes);
    return reject("invalid_json", concat("byte ", position, ": ", detail));
  }

 private:
  bool reject(const char* code, std::string message) {
    error_ = {code, std::move(message)};
    return false;
  }
  bool value() {
    return depth_ > 0 || reject("invalid_json", "expected a JSON object, got another value");
  }
  bool open() {
    return ++depth_ <= kMaxDepth ||
           reject("invalid_json", concat("nested deeper than ", kMaxDepth));
  }
  bool close() {
    --depth_;
    return true;
  }

  const size_t max_members_;
  int depth_ = 0;
  std::vector<std::string> keys_;
  std::unordered_set<std::string> seen_;
  RowError error_;
};

// Walks over JSON text that is known to be valid.
class Scanner {
 public:
  // Starts at the outermost object (the parser skips a byte order mark, so does this).
  explicit Scanner(std::string_view text) : text_(text), at_(text.find('{')) {}

  char peek() {
    while (is_space(text_[at_])) ++at_;
    return text_[at_];
  }
  void skip() { ++at_; }

  // The value at the scanner's place, which ends behind it.
  std::string_view value() {
    const char first = peek();
    const size_t begin = at_;
    if (first == '"') {
      skip_string();
    } else if (first == '{' || first == '[') {
      skip_nested();
    } else {
      while (!is_space(text_[at_]) && text_[at_] != ',' && text_[at_] != '}') ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  void skip_string() {
    for (++at_; text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }

  void skip_nested() {
    int depth = 0;
    do {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
    } while (depth > 0);
  }

  std::string_view text_;
  size_t at_;
};

}  // namespace

std::vector<JsonMember> split_members(std::string_view text, size_t max_members) {
  MemberCollector collector(max_members);
  if (!json::sax_parse(text.begin(), text.end(), &collector)) {
    throw BadRow(collector.error());
  }
  std::vector<JsonMember> members;
  Scanner scanner(text);
  for (std::string& key : collector.take_keys()) {
    scanner.peek();
    scanner.skip();  // '{' before the first member, ',' before the others
    const std::string_view raw_key = scanner.value();
    scanner.peek();
    scanner.skip();  // ':'
    members.push_back({std::move(key), raw_key, scanner.value()});
  }
  return members;
}

}  // namespace eet
