#include "app/job/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

FileDescriptor open_input(const std::string& path) {
  if (path == "-") return {STDIN_FILENO, /*owned=*/false};
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC), /*owned=*/true);
  require(fd.get() >= 0, path, ": cannot open the input: ", std::strerror(errno));
  return fd;
}

}  // namespace

LineReader::LineReader(const std::string& path, size_t max_line_bytes)
    : name_(path == "-" ? "standard input" : path),
      max_line_bytes_(max_line_bytes),
      fd_(open_input(path)) {
  struct stat info {};
  require(::fstat(fd_.get(), &info) == 0, name_, ": cannot stat: ", std::strerror(errno));
  require(!S_ISDIR(info.st_mode), name_, ": expected a file of JSON lines, got a directory");
  if (S_ISREG(info.st_mode)) total_bytes_ = info.st_size;
  int ends[2] = {-1, -1};
  require(::pipe2(ends, O_CLOEXEC) == 0, name_, ": cannot make a pipe: ", std::strerror(errno));
  cancel_read_ = {ends[0], /*owned=*/true};
  cancel_write_ = {ends[1], /*owned=*/true};
}

void LineReader::cancel() {
  cancel_write_ = {};
}

bool LineReader::wait_for_input() const {
  // A closed write end shows as POLLHUP on the read end.
  pollfd waits[] = {{fd_.get(), POLLIN, 0}, {cancel_read_.get(), POLLIN, 0}};
  while (::poll(waits, 2, /*timeout=*/-1) < 0) {
    require(errno == EINTR, name_, ": cannot wait for input: ", std::strerror(errno));
  }
  return waits[1].revents == 0;
}

bool LineReader::fill() {
  if (!wait_for_input()) return false;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
  const size_t held = buffer_.size();
  buffer_.resize(held + kReadBytes);
  ssize_t got = 0;
  do {
    got = ::read(fd_.get(), buffer_.data() + held, kReadBytes);
  } while (got < 0 && errno == EINTR);
  require(got >= 0, name_, ": cannot read: ", std::strerror(errno));
  buffer_.resize(held + static_cast<size_t>(got));
  return got > 0;
}

Line LineReader::finish_line(size_t length, size_t line_end_bytes) {
  Line line;
  line.number = ++lines_;
  line.bytes = skipped_bytes_ + static_cast<int64_t>(length + line_end_bytes);
  line.text = {buffer_.data() + begin_, length};
  begin_ += length + line_end_bytes;
  if (line.number == 1 && line.text.starts_with(kByteOrderMark)) {
    line.text.remove_prefix(kByteOrderMark.size());
  }
  if (line.text.ends_with('\r')) line.text.remove_suffix(1);
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
