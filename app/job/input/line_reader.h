// Lines of a file or of standard input, plain or compressed, with a bound on what one line may
// cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/job/input/byte_source.h"

namespace eet {

// What is too long is passed over, so that the rows behind it run; but no row is as long as this.
inline constexpr int64_t kMaxSkippedBytes = int64_t{4} << 30;

struct Line {
  uint64_t number = 0;  // from 1, blank lines counted
  std::string_view
      text;  // without its line end ("\n" or "\r\n"), valid until the next line is read
  std::string_view line_end;  // valid as long
  int64_t bytes = 0;          // in the (decompressed) input, the line end included
  bool too_long = false;      // longer than the limit: `text` is empty, the line was skipped
};

class LineReader {
 public:
  // `path` "-" is standard input. Throws Error when it cannot be read or is a directory.
  LineReader(const std::string& path, size_t max_line_bytes);

  // The next line; nothing at the end. A byte order mark before the first line is dropped, and a
  // last line need not end in "\n". Memory is bounded by a small multiple of max_line_bytes. Throws
  // Error when reading or decompressing fails, and for a line that does not end within
  // kMaxSkippedBytes, as that of /dev/zero.
  std::optional<Line> next();

  // From now on a lone "\r" ends a line, too, as in tables that old Macs and their Excel write.
  void end_lines_at_cr() { ends_at_cr_ = true; }

  // For what is not made of lines: the unread bytes, of which there are `at_least` so many unless
  // the input ends before; valid until the next call. Empty at the end of the input.
  std::string_view peek(size_t at_least = 1);
  void consume(size_t bytes);                          // of those
  uint64_t line_number() const { return lines_ + 1; }  // of the first unread byte

  // Ends the input, also for a thread that waits in next() for a pipe or a terminal. May be called
  // from any thread.
  void cancel() { source_.cancel(); }
  bool cancelled() const { return source_.file().cancelled(); }

  const std::string& name() const { return source_.file().name(); }  // for messages
  std::optional<FileId> file() const { return source_.file().id(); }
  // Bytes of all lines where the input is a regular file, estimated where that is compressed. May
  // be called from any thread.
  std::optional<int64_t> total_bytes() const { return source_.total_bytes(); }
  // Of all bytes read so far: the whole input's, once next() has given nothing.
  uint64_t content_hash() const { return source_.hash(); }

 private:
  bool fill();  // appends what one read gives to buffer_; false at the end of the input
  Line finish_line(size_t length, size_t line_end_bytes);

  struct LineEnd {
    size_t at = 0;     // in the unread bytes
    size_t bytes = 0;  // 0: what follows decides, and is not there yet
  };
  std::optional<LineEnd> find_line_end(size_t from) const;

  ByteSource source_;
  size_t max_line_bytes_;
  std::vector<char> buffer_;
  size_t begin_ = 0;           // unread bytes are buffer_[begin_, buffer_.size())
  int64_t skipped_bytes_ = 0;  // of the present line, dropped because it is too long
  uint64_t lines_ = 0;
  bool ends_at_cr_ = false;
  bool peeked_ = false;  // a byte order mark has been looked for
};

}  // namespace eet
