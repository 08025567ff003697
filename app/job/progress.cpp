#include "app/job/progress.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "app/job/file_descriptor.h"
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

// Of the terminal now, as it may be resized while the job runs.
size_t columns_of(std::FILE* stream) {
  constexpr size_t kUsual = 80;
  winsize size{};
  const bool known = ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsual;
}

// "[====>   ]" of `width` characters in all.
std::string drawn(double done, size_t width) {
  const size_t inside = width - 2;
  const auto filled = static_cast<size_t>(done * static_cast<double>(inside));
  std::string bar(filled, '=');
  if (filled < inside) bar += '>';
  bar.resize(inside, ' ');
  return "[" + bar + "] ";
}

std::string count_text(const ProgressReport& report) {
  return report.total_rows ? concat(report.rows, " of ", *report.total_rows)
                           : std::to_string(report.rows);
}

// The parts of a line that are told, the least important ones left out first.
struct Parts {
  bool speed = true;
  bool words = true;
};

std::string text_of(const ProgressReport& report, const Parts& parts) {
  std::string text = count_text(report);
  if (parts.words) text += " rows";
  if (parts.speed) text += concat(", ", report.tokens_per_second, " tokens/s");
  if (report.failed_rows > 0) text += concat(", ", report.failed_rows, " failed");
  if (report.seconds_left) {
    text += (parts.words ? ", ETA " : ", ") + clock_text(*report.seconds_left);
  }
  return text;
}

}  // namespace

ProgressReport report_progress(const JobCounts& counts, double seconds, const JobSize& size) {
  const int64_t tokens = counts.output_tokens - counts.served_output_tokens;
  ProgressReport report{
      .rows = counts.rows,
      .total_rows = size.rows,
      .tokens_per_second = seconds > 0 ? std::llround(static_cast<double>(tokens) / seconds) : 0,
      .failed_rows = counts.failed_rows(),
      .done = {},
      .seconds_left = {}};
  if (!size.input_bytes || *size.input_bytes == 0) return report;
  const auto total = static_cast<double>(*size.input_bytes);
  report.done = std::min(1.0, static_cast<double>(counts.input_bytes) / total);
  const int64_t run_bytes = counts.input_bytes - counts.served_input_bytes;
  if (run_bytes > 0) {
    report.seconds_left = seconds * total * (1 - *report.done) / static_cast<double>(run_bytes);
  }
  return report;
}

std::string format_line(const ProgressReport& report) {
  return text_of(report, {});
}

std::string format_bar(const ProgressReport& report, size_t columns) {
  constexpr size_t kWidest = 26;
  constexpr size_t kNarrowest = 10;
  std::string share;
  if (report.done) {
    char text[16];
    std::snprintf(text, sizeof text, "%3d %% ", static_cast<int>(*report.done * 100));
    share = text;
  }
  constexpr std::array kChoices = {Parts{}, Parts{.speed = false}, Parts{false, false}};
  for (const Parts& parts : kChoices) {
    std::string text = share + text_of(report, parts);
    if (text.size() > columns) continue;
    const size_t room = columns - text.size();
    if (!report.done || room < kNarrowest + 1) return text;
    return drawn(*report.done, std::min(room - 1, kWidest)) + text;
  }
  return (share + text_of(report, kChoices.back())).substr(0, columns);
}

bool is_terminal(const std::string& output) {
  if (output == "-") return ::isatty(STDOUT_FILENO) == 1;
  if (!output.starts_with("/dev/")) return false;
  const FileDescriptor fd(::open(output.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC),
                          /*owned=*/true);
  return ::isatty(fd.get()) == 1;
}

Progress::Progress(std::FILE* stream, Size size, ProgressStyle style)
    : stream_(stream),
      size_(std::move(size)),
      style_(resolve(style, stream)),
      next_seconds_(style_ == ProgressStyle::kBar ? 0 : kLinesInterval) {}

// Blanks, not an escape sequence, take away what is left of a longer bar: NO_COLOR and terminals
// that know no escapes have theirs.
void Progress::show_bar(const std::string& bar) {
  const std::string rest(bar_size_ > bar.size() ? bar_size_ - bar.size() : 0, ' ');
  std::fprintf(stream_, "\r%s%s%s", bar.c_str(), rest.c_str(), bar.empty() ? "\r" : "");
  std::fflush(stream_);
  bar_size_ = bar.size();
}

void Progress::finish() {
  if (bar_size_ > 0) show_bar("");
}

void Progress::update(const JobCounts& counts) {
  if (style_ == ProgressStyle::kNone) return;
  const double now = watch_.seconds();
  if (now < next_seconds_) return;
  const ProgressReport report = report_progress(counts, now, size_());
  const bool is_bar = style_ == ProgressStyle::kBar;
  if (is_bar) {
    // The last column is left free: some terminals go to the next line there.
    show_bar(format_bar(report, columns_of(stream_) - 1));
  } else {
    std::fprintf(stream_, "%s\n", format_line(report).c_str());
    std::fflush(stream_);
  }
  next_seconds_ = now + (is_bar ? kBarInterval : kLinesInterval);
}

}  // namespace eet
