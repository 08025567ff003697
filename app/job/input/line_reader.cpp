#include "app/job/input/line_reader.h"

#include <cstring>

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

std::optional<Line> LineReader::next() {
  size_t searched = 0;  // unread bytes known to hold no line end
  while (true) {
    const size_t unread = buffer_.size() - begin_;
    const char* start = buffer_.data() + begin_;
    const void* end =
        searched < unread ? std::memchr(start + searched, '\n', unread - searched) : nullptr;
    if (end != nullptr) {
      return finish_line(static_cast<size_t>(static_cast<const char*>(end) - start), 1);
    }
    searched = unread;
    if (unread > max_line_bytes_) {
      skipped_bytes_ += static_cast<int64_t>(unread);
      begin_ = buffer_.size();
      searched = 0;
    }
    if (!fill()) {
      const size_t rest = buffer_.size() - begin_;
      if (rest == 0 && skipped_bytes_ == 0) return std::nullopt;
      return finish_line(rest, 0);
    }
  }
}

}  // namespace eet
