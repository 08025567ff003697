// How far the job is, on stderr while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include "app/job/job_stats.h"
#include "app/job/stopwatch.h"

namespace eet {

enum class ProgressStyle {
  kAuto,   // a bar on a terminal, otherwise lines
  kBar,    // one line that is rewritten a few times a second
  kLines,  // a line every 10 s, fit for a log
  kNone,
};

// What is known of how much there is to do.
struct JobSize {
  std::optional<int64_t> input_bytes;
  std::optional<int64_t> rows;  // exact, once the input has been read to its end
};

// How far a job is, as it is shown.
struct ProgressReport {
  int64_t rows = 0;
  std::optional<int64_t> total_rows;
  int64_t tokens_per_second = 0;
  int64_t failed_rows = 0;
  std::optional<double> done;          // share of the input, where its size is known
  std::optional<double> seconds_left;  // likewise
};

// The time left supposes that the rest of the input, by bytes, takes as long as what is done.
ProgressReport report_progress(const JobCounts& counts, double seconds, const JobSize& size);

// "12345 of 20000 rows, 678 tokens/s, 2 failed, ETA 1:02:03"
std::string format_line(const ProgressReport& report);

// "[=====>    ]  52 % " and the line, in at most `columns` characters: where there is not room for
// all, the bar gets shorter, and then the speed, the words and the bar are left out.
std::string format_bar(const ProgressReport& report, size_t columns);

// Whether rows written to `output` ("-": stdout, or a path) appear on a terminal.
bool is_terminal(const std::string& output);

class Progress {
 public:
  // Asked for now and then, as what is known gets better.
  using Size = std::function<JobSize()>;

  Progress(std::FILE* stream, Size size, ProgressStyle style);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough to be called after every step.
  void update(const JobCounts& counts);

  // Clears the bar.
  void finish();

 private:
  void show_bar(const std::string& bar);

  std::FILE* stream_;
  Size size_;
  ProgressStyle style_;  // not kAuto
  size_t bar_size_ = 0;  // of the bar that waits to be rewritten
  double next_seconds_;
  Stopwatch watch_;
};

}  // namespace eet
