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

// Finished work is not replaced by accident.
void refuse_to_replace(const std::string& path, const SafetyOptions& options) {
  if (options.overwrite || options.resume) return;
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  require(error || bytes == 0, path,
          ": the output exists: give --overwrite to replace it, or another --output");
}

std::unique_ptr<JournalFile> open_journal(const std::string& output, const SafetyOptions& options) {
  auto file = JournalFile::open(journal_path(output), output);
  require(is_journal(*file), file->name(),
          ": expected a journal of eet: remove the file, or give another --output");
  require(options.resume || options.overwrite || file->size() <= kJournalHeaderBytes, file->name(),
          ": an unfinished job's journal: give --resume to go on with that job, or --overwrite to "
          "start afresh");
  return file;
}

}  // namespace

std::string journal_path(const std::string& output) {
  return is_file_or_absent(output) ? OutputPlace(output).path() + ".eet-journal"
                                   : output + ".eet-journal";
}

JobOutput::JobOutput(const std::string& path, const SafetyOptions& options, const FileIds& others)
    : place_(path), options_(options) {
  const bool is_file = is_file_or_absent(place_.path());
  require(is_file || !options.resume, path,
          ": --resume needs a journal, which only an --output that is a regular file has");
  if (is_file) {
    require_writable(place_.path());
    const std::string journal = journal_path(place_.path());
    for (const std::optional<FileId>& other : others) {
      const bool is_output = other && other == id_of_file(place_.path());
      const bool is_journal = other && other == id_of_file(journal);
      require(!is_output && !is_journal, path, kAlreadyInUse);
    }
    if (options.journal || fs::exists(fs::symlink_status(journal))) {
      journal_file_ = open_journal(place_.path(), options);
    }
    try {
      refuse_to_replace(place_.path(), options);
    } catch (const Error&) {
      remove_empty_journal();
      throw;
    }
  }
  if (!is_file || !options.journal) stream_.emplace(place_.path(), others);
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

void JobOutput::refuse_as_other(std::optional<FileId> other) const {
  if (!other) return;
  const bool is_output = other == (stream_ ? stream_->id() : id_of_file(place_.path()));
  const bool is_journal = journal_file_ && other == id_of_file(journal_file_->descriptor());
  require(!is_output && !is_journal, place_.path(), kAlreadyInUse);
}

CompletionSink& JobOutput::start(const JobIdentity& job, const Hash128& flags, int64_t now) {
  if (journal_file_ && options_.overwrite) journal_file_->truncate(0);
  if (stream_) {
    if (journal_file_) std::exchange(journal_file_, nullptr)->remove();
    stream_->start();
    writer_ = std::make_unique<CompletionWriter>(*stream_, job.format, options_.order);
    return *writer_;
  }
  journal_ = std::make_unique<Journal>(std::move(journal_file_),
                                       JournalHeader{job.program, flags, now}, options_.sync);
  journal_sink_ = std::make_unique<JournalSink>(
      *journal_, place_, job,
      JournalSinkOptions{options_.retry_errors, options_.keep_journal, options_.order});
  return *journal_sink_;
}

}  // namespace eet
