#include "app/job/input/line_reader.h"

#include <algorithm>
#include <cstddef>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr size_t kReadBytes = size_t{1} << 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

LineReader::LineReader(const std::string& path, size_t max_line_bytes)
    : source_(path), max_line_bytes_(max_line_bytes) {}

bool LineReader::fill() {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
  const size_t held = buffer_.size();
  buffer_.resize(held + kReadBytes);
  const size_t got = source_.read(std::span(buffer_).subspan(held));
  buffer_.resize(held + got);
  return got > 0;
}

Line LineReader::finish_line(size_t length, size_t line_end_bytes) {
  Line line;
  line.number = ++lines_;
  line.bytes = skipped_bytes_ + static_cast<int64_t>(length + line_end_bytes);
  line.text = {buffer_.data() + begin_, length};
  const char* end = line.text.data() + length + line_end_bytes;
  begin_ += length + line_end_bytes;
  if (line.number == 1 && line.text.starts_with(kByteOrderMark)) {
    line.text.remove_prefix(kByteOrderMark.size());
  }
  if (line.text.ends_with('\r')) line.text.remove_suffix(1);
  line.line_end = {line.text.data() + line.text.size(), end};
  line.too_long = skipped_bytes_ > 0 || length > max_line_bytes_;
  if (line.too_long) line.text = {};
  skipped_bytes_ = 0;
  return line;
}

std::optional<LineReader::LineEnd> LineReader::find_line_end(size_t from) const {
  const std::string_view unread(buffer_.data() + begin_, buffer_.size() - begin_);
  const size_t lf = unread.find('\n', from);
  const size_t cr = ends_at_cr_ ? unread.substr(0, lf).find('\r', from) : std::string_view::npos;
  if (cr != std::string_view::npos) {
    if (cr + 1 == unread.size()) return LineEnd{cr, 0};
    return LineEnd{cr, unread[cr + 1] == '\n' ? size_t{2} : size_t{1}};
  }
  if (lf == std::string_view::npos) return std::nullopt;
  return LineEnd{lf, 1};
}

std::optional<Line> LineReader::next() {
  size_t searched = 0;  // unread bytes known to hold no line end
  while (true) {
    const std::optional<LineEnd> end = find_line_end(searched);
    if (end && end->bytes > 0) return finish_line(end->at, end->bytes);
    const size_t unread = buffer_.size() - begin_;
    searched = end ? end->at : unread;
    if (!end && unread > max_line_bytes_) {
      skipped_bytes_ += static_cast<int64_t>(unread);
      begin_ = buffer_.size();
      searched = 0;
      require(skipped_bytes_ <= kMaxSkippedBytes, name(), ": line ", line_number(),
              ": expected its end within ", kMaxSkippedBytes >> 20,
              " MiB, got more bytes without one: give a file of rows, one a line");
    }
    if (!fill()) {
      if (end) return finish_line(end->at, 1);
      const size_t rest = buffer_.size() - begin_;
      if (rest == 0 && skipped_bytes_ == 0) return std::nullopt;
      return finish_line(rest, 0);
    }
  }
}

std::string_view LineReader::peek(size_t at_least) {
  while (buffer_.size() - begin_ < at_least && fill()) {
  }
  const std::string_view unread(buffer_.data() + begin_, buffer_.size() - begin_);
  const bool is_marked = lines_ == 0 && !peeked_ && unread.starts_with(kByteOrderMark);
  peeked_ = true;
  if (!is_marked) return unread;
  begin_ += kByteOrderMark.size();
  return peek(at_least);
}

void LineReader::consume(size_t bytes) {
  const auto first = buffer_.begin() + static_cast<std::ptrdiff_t>(begin_);
  lines_ +=
      static_cast<uint64_t>(std::count(first, first + static_cast<std::ptrdiff_t>(bytes), '\n'));
  begin_ += bytes;
}

}  // namespace eet
