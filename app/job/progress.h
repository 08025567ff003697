// How far the job is, on stderr while it runs.
#pragma once

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

// How far a job is, as it is shown.
struct ProgressReport {
  std::string text;            // "12345 rows, 678 tokens/s, 2 failed, ETA 1:02:03"
  std::optional<double> done;  // share of the input, where its size is known
};

// The ETA supposes that the rest of the input, by bytes, takes as long as what is done; without a
// size there is none.
ProgressReport report_progress(const JobCounts& counts, double seconds,
                               std::optional<int64_t> total_input_bytes);

// "[=====>    ]  52 % ", or nothing for a share that is not known.
std::string format_bar(std::optional<double> done);

class Progress {
 public:
  // Asked for now and then, as the estimate for a compressed input gets better.
  using TotalBytes = std::function<std::optional<int64_t>()>;

  Progress(std::FILE* stream, TotalBytes total_input_bytes, ProgressStyle style);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough to be called after every step.
  void update(const JobCounts& counts);

  // Clears the bar.
  void finish();

 private:
  std::FILE* stream_;
  TotalBytes total_input_bytes_;
  ProgressStyle style_;    // not kAuto
  bool bar_open_ = false;  // a bar waits to be rewritten
  double next_seconds_;
  Stopwatch watch_;
};

}  // namespace eet
