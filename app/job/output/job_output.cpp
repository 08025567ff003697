#include "app/job/output/job_output.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "app/job/output/completion_writer.h"
#include "app/job/output/whole_file.h"
#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAlreadyInUse =
    ": already in use as another input or output of this job: give another file";

// The file that is replaced: where a symbolic link leads, not the link.
std::string resolved(const std::string& path) {
  return is_file_or_absent(path) ? link_target(path) : path;
}

// Finished work is not replaced by accident.
void refuse_to_replace(const std::string& path, const SafetyOptions& options) {
  if (options.overwrite || options.resume) return;
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  require(error || bytes == 0, path,
          ": the output exists: give --overwrite to replace it, or another --output");
}

std::unique_ptr<JournalFile> open_journal(const std::string& output, const SafetyOptions& options) {
  auto file = JournalFile::open(journal_path(output));
  require(options.resume || options.overwrite || file->size() <= kJournalHeaderBytes, file->name(),
          ": an unfinished job's journal: give --resume to go on with that job, or --overwrite to "
          "start afresh");
  return file;
}

}  // namespace

std::string journal_path(const std::string& output) {
  return resolved(output) + ".eet-journal";
}

JobOutput::JobOutput(const std::string& path, const SafetyOptions& options,
                     std::initializer_list<int> others)
    : path_(resolved(path)), options_(options) {
  const bool is_file = is_file_or_absent(path_);
  require(is_file || !options.resume, path,
          ": --resume needs a journal, which only an --output that is a regular file has");
  if (is_file) {
    require_writable(path_);
    for (const int other : others) require(!same_file(other, path_), path, kAlreadyInUse);
    if (options.journal || fs::exists(journal_path(path_))) {
      journal_file_ = open_journal(path_, options);
    }
    try {
      refuse_to_replace(path_, options);
    } catch (const Error&) {
      remove_empty_journal();
      throw;
    }
  }
  if (!is_file || !options.journal) stream_.emplace(path_, others);
}

// Nothing was recorded: nothing can be resumed, and the next run should not be asked about it.
void JobOutput::remove_empty_journal() {
  if (journal_file_ && journal_file_->size() <= kJournalHeaderBytes) journal_file_->remove();
}

JobOutput::~JobOutput() {
  try {
    remove_empty_journal();
    if (journal_ && journal_->num_rows() == 0 && !options_.keep_journal) journal_->remove();
  } catch (const std::exception&) {
    return;  // an empty journal is no harm
  }
}

void JobOutput::refuse_as_other(int fd) const {
  const bool same = stream_ ? same_file(fd, stream_->descriptor()) : same_file(fd, path_);
  require(!same, path_, kAlreadyInUse);
}

CompletionSink& JobOutput::start(const JobIdentity& job, const Hash128& flags) {
  if (journal_file_ && options_.overwrite) journal_file_->truncate(0);
  if (stream_) {
    if (journal_file_) std::exchange(journal_file_, nullptr)->remove();
    stream_->start();
    writer_ = std::make_unique<CompletionWriter>(*stream_, job.format, options_.order);
    return *writer_;
  }
  journal_ = std::make_unique<Journal>(std::move(journal_file_), JournalHeader{job.program, flags},
                                       options_.sync);
  journal_sink_ = std::make_unique<JournalSink>(
      *journal_, path_, job,
      JournalSinkOptions{options_.retry_errors, options_.keep_journal, options_.order});
  return *journal_sink_;
}

}  // namespace eet
