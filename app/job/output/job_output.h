// What becomes of the job's rows, as --output and the safety flags demand.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/job/journal/journal.h"
#include "app/job/journal/journal_key.h"
#include "app/job/journal/journal_sink.h"
#include "app/job/output/completion_sink.h"
#include "app/job/output/output_place.h"
#include "app/job/output/result_file.h"

namespace eet {

struct SafetyOptions {
  bool journal = true;
  bool resume = false;
  bool overwrite = false;  // an existing output, and an interrupted job's journal
  bool retry_errors = false;
  bool keep_journal = false;
  OutputOrder order = OutputOrder::kInput;
  SyncPolicy sync;
};

// Where the journal of a job with this --output is.
std::string journal_path(const std::string& output);

// A regular file gets a journal beside it, and is replaced when the job is complete; all else is a
// stream.
class JobOutput {
 public:
  // Opens what the job will write, so that what cannot be written, or must not be yet, is refused
  // before any work is done. `others` are files that may not be the output. An existing output
  // that is not empty is refused unless it is to be overwritten, or a journal has the job that will
  // replace it; it keeps its content until start(), and with a journal until the job is complete.
  // Throws Error.
  JobOutput(const std::string& path, const SafetyOptions& options, const FileIds& others);
  ~JobOutput();
  JobOutput(const JobOutput&) = delete;
  JobOutput& operator=(const JobOutput&) = delete;

  // Throws Error when `other` is the output or its journal.
  void refuse_as_other(std::optional<FileId> other) const;

  // To be called once, at `now` (in seconds since 1970). The sink lives as long as this. `flags` is
  // a hash of all that the results of every row may depend on, by which a journal of other flags is
  // known.
  CompletionSink& start(const JobIdentity& job, const Hash128& flags, int64_t now);

  // When the job was first started, in seconds since 1970: what a journal says, else `now`.
  int64_t start_seconds(int64_t now) const { return journal_ ? journal_->start_seconds() : now; }

  // What a journal held when the job was started; null without a journal.
  const JournalRecovery* recovery() const { return journal_ ? &journal_->recovery() : nullptr; }
  const JournalSink* journal_sink() const { return journal_sink_.get(); }
  ResumeCounts resumed() const { return journal_sink_ ? journal_sink_->resumed() : ResumeCounts(); }

 private:
  void remove_empty_journal();

  const OutputPlace place_;
  const SafetyOptions options_;
  std::optional<ResultFile> stream_;
  std::unique_ptr<JournalFile> journal_file_;  // until start()
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<CompletionSink> writer_;
  std::unique_ptr<JournalSink> journal_sink_;
};

}  // namespace eet
