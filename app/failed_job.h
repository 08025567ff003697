// What a job does when its devices have failed, and the process with them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/job/restart.h"
#include "app/options.h"
#include "lib/core/error.h"

namespace eet {

// Its message says what is safe and how to go on.
class SuspendedJob : public Error {
 public:
  using Error::Error;
};

// A job whose devices have failed. What it has finished is safe.
struct FailedJob {
  Restart end;                    // why, and what this process has done
  std::string kept;               // what is safe and how to go on, for people
  std::vector<Restart> restarts;  // before this process
};

// Of the files that the job reads, the first that cannot be read twice: a pipe, a terminal. Nothing
// where all can.
std::optional<std::string> file_read_once(const GenerateOptions& options);

// Starts the program again, which then resumes the job, after a line on stderr. Throws
// SuspendedJob with the reason of the failure and how to go on where the job has no journal, could
// not read its input again, has not finished a row since it started, or has started again often
// enough.
[[noreturn]] void start_again_or_end(const GenerateOptions& options, const FailedJob& job);

// The options of a process that was started again: with the flags that the user gave, it goes on
// with the job.
void resume_after_restart(GenerateOptions& options);

}  // namespace eet
