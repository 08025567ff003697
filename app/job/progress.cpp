#include "app/job/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr double kBarInterval = 0.25;  // seconds
constexpr double kLinesInterval = 10.0;

std::string clock_text(double seconds) {
  const auto total = static_cast<int64_t>(std::llround(seconds));
  char text[32];
  std::snprintf(text, sizeof text, "%lld:%02d:%02d", static_cast<long long>(total / 3600),
                static_cast<int>(total / 60 % 60), static_cast<int>(total % 60));
  return text;
}

ProgressStyle resolve(ProgressStyle style, std::FILE* stream) {
  if (style != ProgressStyle::kAuto) return style;
  return ::isatty(::fileno(stream)) == 1 ? ProgressStyle::kBar : ProgressStyle::kLines;
}

}  // namespace

ProgressReport report_progress(const JobCounts& counts, double seconds,
                               std::optional<int64_t> total_input_bytes) {
  const int64_t tokens = counts.output_tokens - counts.served_output_tokens;
  const double rate = seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
  ProgressReport report;
  report.text = concat(counts.rows, " rows, ", std::llround(rate), " tokens/s");
  if (counts.failed_rows() > 0) report.text += concat(", ", counts.failed_rows(), " failed");
  if (!total_input_bytes || *total_input_bytes == 0) return report;
  const auto total = static_cast<double>(*total_input_bytes);
  report.done = std::min(1.0, static_cast<double>(counts.input_bytes) / total);
  const int64_t run_bytes = counts.input_bytes - counts.served_input_bytes;
  if (run_bytes == 0) return report;
  const double left = total * (1 - *report.done);
  report.text += ", ETA " + clock_text(seconds * left / static_cast<double>(run_bytes));
  return report;
}

std::string format_bar(std::optional<double> done) {
  constexpr size_t kWidth = 24;
  if (!done) return {};
  const auto filled = static_cast<size_t>(*done * kWidth);
  std::string bar(filled, '=');
  if (filled < kWidth) bar += '>';
  bar.resize(kWidth, ' ');
  char text[64];
  std::snprintf(text, sizeof text, "[%s] %3d %% ", bar.c_str(), static_cast<int>(*done * 100));
  return text;
}

Progress::Progress(std::FILE* stream, TotalBytes total_input_bytes, ProgressStyle style)
    : stream_(stream),
      total_input_bytes_(std::move(total_input_bytes)),
      style_(resolve(style, stream)),
      next_seconds_(style_ == ProgressStyle::kBar ? 0 : kLinesInterval) {}

void Progress::finish() {
  if (bar_open_) std::fputs("\r\x1b[K", stream_);
  bar_open_ = false;
}

void Progress::update(const JobCounts& counts) {
  if (style_ == ProgressStyle::kNone) return;
  const double now = watch_.seconds();
  if (now < next_seconds_) return;
  const ProgressReport report = report_progress(counts, now, total_input_bytes_());
  bar_open_ = style_ == ProgressStyle::kBar;
  if (bar_open_) {
    std::fprintf(stream_, "\r%s%s\x1b[K", format_bar(report.done).c_str(), report.text.c_str());
  } else {
    std::fprintf(stream_, "%s\n", report.text.c_str());
  }
  std::fflush(stream_);
  next_seconds_ = now + (bar_open_ ? kBarInterval : kLinesInterval);
}

}  // namespace eet
