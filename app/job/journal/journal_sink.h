// An output that cannot be lost: rows go to a journal, and at the end to a file that appears whole.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "app/job/journal/journal.h"
#include "app/job/journal/journal_key.h"
#include "app/job/output/completion_sink.h"
#include "app/job/output/output_place.h"

namespace eet {

struct JournalSinkOptions {
  bool retry_errors = false;  // rows with an error are run again
  bool keep_journal = false;  // also when the output is complete
  OutputOrder order = OutputOrder::kInput;
};

// What a resumed job found in its journal.
struct ResumeCounts {
  int64_t served = 0;   // rows taken from it
  int64_t changed = 0;  // rows run again since their text, parameters, model or program changed
  int64_t retried = 0;  // rows run again since they had an error
};

class JournalSink : public CompletionSink {
 public:
  // The complete output is to be at `output`, in whose directory it is built. All references must
  // outlive the sink.
  JournalSink(Journal& journal, OutputPlace output, const JobIdentity& job,
              const JournalSinkOptions& options);

  std::optional<RowOutcome> begin(const InputRow& row) override;
  std::string format(const Completion& completion) const override;
  void add(const Completion& completion, std::string text) override;
  void flush() override { journal_.flush(); }
  uint64_t rows_held() const override { return 0; }
  size_t bytes_held() const override { return 0; }
  bool finish(const std::function<void()>& on_complete,
              const StopRequested& stop_requested) override;
  std::string suspend() override;

  const ResumeCounts& resumed() const { return resumed_; }

  // Whether the journal has a result for `row`, the `place`-th to be announced, that no longer
  // holds.
  bool has_changed(uint64_t place, const InputRow& row) const;

 private:
  struct RunningRow {
    uint64_t place = 0;  // in the output: rows are numbered in the journal as they are announced
    Hash128 key;
  };

  bool for_each_row(const std::function<void(std::string_view)>& take,
                    const StopRequested& stop_requested);
  std::string rows_left() const;

  Journal& journal_;
  const OutputPlace output_;
  const JobIdentity job_;
  const Hash128 job_hash_;
  const JournalSinkOptions options_;
  uint64_t num_rows_ = 0;                             // announced
  std::unordered_map<uint64_t, RunningRow> running_;  // by InputRow::row
  ResumeCounts resumed_;
  bool damaged_ = false;  // rows that were finished cannot be read
};

}  // namespace eet
