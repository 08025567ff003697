#include "app/job/input/json_array_rows.h"

#include <algorithm>
#include <string_view>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kMarkBytes = 3;  // of a byte order mark, which a first peek must see whole

// Where, in a piece of text, the element that began in an earlier piece ends.
class ElementScan {
 public:
  // The place of the comma or bracket behind the element, or npos.
  size_t find_end(std::string_view piece) {
    for (size_t i = 0; i < piece.size(); ++i) {
      if (at_end(piece[i])) return i;
    }
    return std::string_view::npos;
  }

 private:
  bool at_end(char c) {
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      return false;
    }
    if (depth_ == 0 && (c == ',' || c == ']')) return true;
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') depth_ = std::max<int64_t>(depth_ - 1, 0);
    return false;
  }

  int64_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace

bool JsonArrayReader::is_next(LineReader& lines) {
  // White space in front of and behind the bracket that is longer is nobody's.
  constexpr size_t kMaxPeeked = size_t{1} << 12;
  // No more than decides: a pipe may give one row, and the next only when that has been answered.
  for (size_t wanted = kMarkBytes;;) {
    const std::string_view unread = lines.peek(wanted);
    const size_t open = unread.find_first_not_of(kSpace);
    const bool is_open = open != std::string_view::npos;
    if (is_open && unread[open] != '[') return false;
    const size_t first = is_open ? unread.find_first_not_of(kSpace, open + 1) : open;
    if (first != std::string_view::npos) return unread[first] == '{' || unread[first] == ']';
    if (unread.size() < wanted || unread.size() >= kMaxPeeked) return false;
    wanted = unread.size() + 1;
  }
}

std::optional<char> JsonArrayReader::skip_space() {
  while (true) {
    const std::string_view unread = lines_.peek();
    if (unread.empty()) return std::nullopt;
    const size_t first = unread.find_first_not_of(kSpace);
    lines_.consume(std::min(first, unread.size()));
    if (first != std::string_view::npos) return unread[first];
  }
}

void JsonArrayReader::fail(const std::string& expected) const {
  throw Error(concat(lines_.name(), ": line ", lines_.line_number(), ": a JSON array: expected ",
                     expected, "; make or fetch the file again"));
}

void JsonArrayReader::check_end() {
  closed_ = true;
  lines_.consume(1);
  if (skip_space()) fail("nothing behind its closing bracket, got more");
}

// A user who ends the job has not damaged the file.
std::optional<JsonArrayReader::Element> JsonArrayReader::end_early() {
  if (!lines_.cancelled()) fail("its closing bracket, got the end of the file");
  closed_ = true;
  return std::nullopt;
}

std::optional<JsonArrayReader::Element> JsonArrayReader::next() {
  if (closed_) return std::nullopt;
  const std::optional<char> before = skip_space();
  if (!before) return end_early();
  if (*before == ',' || !opened_) lines_.consume(1);
  opened_ = true;
  const std::optional<char> first = skip_space();
  if (!first) return end_early();
  if (*first == ']') {
    check_end();
    return std::nullopt;
  }
  Element element;
  element.line = lines_.line_number();
  ElementScan scan;
  while (true) {
    const std::string_view unread = lines_.peek();
    if (unread.empty()) return end_early();
    const size_t end = scan.find_end(unread);
    const size_t taken = std::min(end, unread.size());
    element.bytes += static_cast<int64_t>(taken);
    element.too_long = element.bytes > static_cast<int64_t>(max_element_bytes_);
    if (element.too_long) {
      if (element.bytes > kMaxSkippedBytes) {
        fail(concat("the end of an element, got ", kMaxSkippedBytes >> 20, " MiB without one"));
      }
      element.text.clear();
    } else {
      element.text += unread.substr(0, taken);
    }
    lines_.consume(taken);
    if (end != std::string_view::npos) return element;
  }
}

}  // namespace eet
