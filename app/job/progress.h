// How far the job is, on stderr while it runs.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "app/job/job_stats.h"
#include "app/job/stopwatch.h"

namespace eet {

// "12,345 rows, 678 tokens/s, ETA 1:02:03". The ETA supposes that the rest of the input, by bytes,
// takes as long as what is done; without a size there is none.
std::string progress_line(const JobCounts& counts, double seconds,
                          std::optional<int64_t> total_input_bytes);

class Progress {
 public:
  // On a terminal one line that is rewritten a few times a second; otherwise a line every 10 s, fit
  // for a log. `quiet`: nothing.
  Progress(std::FILE* stream, std::optional<int64_t> total_input_bytes, bool quiet);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough to be called after every step.
  void update(const JobCounts& counts);

  // Clears the line on a terminal.
  void finish();

 private:
  std::FILE* stream_;
  std::optional<int64_t> total_input_bytes_;
  bool quiet_;
  bool terminal_;
  bool line_open_ = false;  // a line on the terminal waits to be rewritten
  double next_seconds_;
  Stopwatch watch_;
};

}  // namespace eet
