#include "app/job/progress.h"

#include <unistd.h>

#include <cmath>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr double kTerminalInterval = 0.25;  // seconds
constexpr double kLogInterval = 10.0;

std::string clock_text(double seconds) {
  const auto total = static_cast<int64_t>(std::llround(seconds));
  char text[32];
  std::snprintf(text, sizeof text, "%lld:%02d:%02d", static_cast<long long>(total / 3600),
                static_cast<int>(total / 60 % 60), static_cast<int>(total % 60));
  return text;
}

}  // namespace

std::string progress_line(const JobCounts& counts, double seconds,
                          std::optional<int64_t> total_input_bytes) {
  const double rate = seconds > 0 ? static_cast<double>(counts.output_tokens) / seconds : 0;
  std::string line = concat(counts.rows, " rows, ", std::llround(rate), " tokens/s");
  if (counts.failed_rows() > 0) line += concat(", ", counts.failed_rows(), " failed");
  if (!total_input_bytes || counts.input_bytes == 0) return line;
  const double done = static_cast<double>(counts.input_bytes);
  const double left = static_cast<double>(*total_input_bytes) - done;
  return line + ", ETA " + clock_text(left > 0 ? seconds * left / done : 0);
}

Progress::Progress(std::FILE* stream, std::optional<int64_t> total_input_bytes, bool quiet)
    : stream_(stream),
      total_input_bytes_(total_input_bytes),
      quiet_(quiet),
      terminal_(::isatty(::fileno(stream)) == 1),
      next_seconds_(terminal_ ? 0 : kLogInterval) {}

void Progress::finish() {
  if (line_open_) std::fputs("\r\x1b[K", stream_);
  line_open_ = false;
}

void Progress::update(const JobCounts& counts) {
  if (quiet_) return;
  const double now = watch_.seconds();
  if (now < next_seconds_) return;
  next_seconds_ = now + (terminal_ ? kTerminalInterval : kLogInterval);
  const std::string line = progress_line(counts, now, total_input_bytes_);
  std::fprintf(stream_, terminal_ ? "\r%s\x1b[K" : "%s\n", line.c_str());
  std::fflush(stream_);
  line_open_ = terminal_;
}

}  // namespace eet
