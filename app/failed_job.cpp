#include "app/failed_job.h"

#include <sys/stat.h>

#include <iostream>

#include "app/job/output/result_file.h"

namespace eet {
namespace {

bool is_read_once(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 &&
         (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || S_ISCHR(info.st_mode));
}

// A writer of a named pipe that goes away ends it for its reader.
bool is_written_once(const std::string& path) {
  struct stat info {};
  return !path.starts_with("/dev/") && ::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

std::optional<std::string> why_not_again(const GenerateOptions& options, const FailedJob& job) {
  constexpr const char* kAdvice =
      ": check the devices (nvidia-smi; CUDA_VISIBLE_DEVICES leaves some out)";
  if (job.restarts.size() >= kMaxRestarts) {
    return concat("the job has started again ", job.restarts.size(), " times already", kAdvice);
  }
  if (job.end.rows == 0) {
    return concat("the job does not start again, as no row was finished since its start", kAdvice);
  }
  if (const std::optional<std::string> file = file_read_once(options)) {
    return concat(*file, " cannot be read twice, so the job does not start again by itself");
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> file_read_once(const GenerateOptions& options) {
  for (const std::string& input : options.inputs) {
    if (input == "-") return "standard input";
    if (is_read_once(input)) return input;
  }
  if (is_read_once(options.chat.template_file)) return options.chat.template_file;
  if (is_written_once(options.stats)) return options.stats;
  return std::nullopt;
}

void start_again_or_end(const GenerateOptions& options, const FailedJob& job) {
  const std::string& reason = job.end.reason;
  if (!options.safety.journal || !is_file_or_absent(options.output)) {
    throw SuspendedJob(concat(reason, "; ", job.kept));
  }
  if (const std::optional<std::string> why = why_not_again(options, job)) {
    throw SuspendedJob(concat(reason, "; ", *why, "; ", job.kept));
  }
  std::vector<Restart> restarts = job.restarts;
  restarts.push_back(job.end);
  std::cerr << "eet: warning: " << reason << "; " << job.kept << ", as eet does now (restart "
            << restarts.size() << " of at most " << kMaxRestarts << ")\n";
  throw SuspendedJob(concat(start_again(restarts), "; ", job.kept));
}

void resume_after_restart(GenerateOptions& options) {
  options.safety.resume = true;
  options.safety.overwrite = false;
}

}  // namespace eet
