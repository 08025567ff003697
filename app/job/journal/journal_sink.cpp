#include "app/job/journal/journal_sink.h"

#include <exception>
#include <utility>

#include "app/job/input/row_format.h"
#include "app/job/output/whole_file.h"
#include "lib/core/error.h"

namespace eet {
namespace {

constexpr const char* kHowToGoOn = "; the same command with --resume goes on from there";

// Tells places apart that the messages of failed rows name.
uint64_t mark_of(const RowPlace& place) {
  constexpr int kUnusedBits = 16;
  return place.file.empty() ? place.line : hash64(place.file, place.line) >> kUnusedBits;
}

}  // namespace

JournalSink::JournalSink(Journal& journal, OutputPlace output, const JobIdentity& job,
                         const JournalSinkOptions& options)
    : journal_(journal),
      output_(std::move(output)),
      job_(job),
      job_hash_(job_hash(job)),
      options_(options) {}

bool JournalSink::has_changed(uint64_t place, const InputRow& row) const {
  const std::optional<JournalRecord> record = journal_.find(place);
  return record && record->key != row_key(row, job_, job_hash_);
}

std::optional<RowOutcome> JournalSink::begin(const InputRow& row) {
  const uint64_t place = num_rows_++;
  const Hash128 key = row_key(row, job_, job_hash_);
  if (const std::optional<JournalRecord> record = journal_.find(place)) {
    const bool failed = record->outcome.finish == FinishReason::kError;
    // The message of a failed row names its place.
    if (record->key != key || (failed && record->line != mark_of(row.place))) {
      ++resumed_.changed;
    } else if (failed && options_.retry_errors) {
      ++resumed_.retried;
    } else {
      ++resumed_.served;
      return record->outcome;
    }
  }
  running_.emplace(row.row, RunningRow{place, key});
  return std::nullopt;
}

std::string JournalSink::format(const Completion& completion) const {
  return format_row(completion, job_.format);
}

void JournalSink::add(const Completion& completion, std::string text) {
  const auto found = running_.find(completion.row);
  require(found != running_.end(), "internal error: row ", completion.row,
          " finished without having begun");
  const auto& [place, key] = found->second;
  journal_.add(
      {place, key, outcome_of(completion), text, completion.error ? mark_of(completion.place) : 0});
  running_.erase(found);
}

// Calls `take` with the text of each row in the order of the output. False when `stop_requested`
// ended that early.
bool JournalSink::for_each_row(const std::function<void(std::string_view)>& take,
                               const StopRequested& stop_requested) {
  uint64_t taken = 0;
  bool stopped = false;
  const auto visit = [&](const JournalRecord& record) {
    if (record.row < num_rows_) {  // not of a longer input before
      take(record.text);
      ++taken;
    }
    stopped = stop_requested();
    return !stopped;
  };
  if (options_.order == OutputOrder::kCompletion) {
    journal_.for_each(visit);
  } else {
    std::optional<JournalRecord> record;
    while (taken < num_rows_ && (record = journal_.find(taken)) && visit(*record)) {
    }
  }
  damaged_ = !stopped && taken < num_rows_;
  require(!damaged_, journal_.name(), ": not all of ", num_rows_,
          " rows can be read: the disk changed what was written to it; --resume does the others "
          "again");
  return !stopped;
}

bool JournalSink::finish(const std::function<void()>& on_complete,
                         const StopRequested& stop_requested) {
  journal_.sync();
  WholeFile file(output_);
  if (job_.format.table) {
    RowTable table(*job_.format.table, job_.format.style);
    const auto add = [&](std::string_view row) { table.add_columns(row); };
    if (!for_each_row(add, stop_requested)) return false;
    file.write(table.header());
    const auto write_record = [&](std::string_view row) { file.write(table.record(row)); };
    if (!for_each_row(write_record, stop_requested)) return false;
  } else if (!for_each_row([&](std::string_view row) { file.write(row); }, stop_requested)) {
    return false;
  }
  file.finish();
  on_complete();
  if (!options_.keep_journal) journal_.remove();
  return true;
}

std::string JournalSink::suspend() {
  if (journal_.num_rows() == 0) return "no row was finished";
  try {
    journal_.sync();
    if (!damaged_) {
      return concat(journal_.num_rows(), " finished rows are safe in ", journal_.name(),
                    kHowToGoOn);
    }
  } catch (const std::exception&) {
    // As where they cannot be read.
  }
  return rows_left();
}

// For people, when the journal is not complete.
std::string JournalSink::rows_left() const {
  std::string left = "finished rows that reached the disk are left";
  try {
    const uint64_t rows = journal_.rows_left();
    if (rows == 0) return concat("none of ", journal_.num_rows(), " finished rows is left");
    left = concat(rows, " of ", journal_.num_rows(), " finished rows are left");
  } catch (const std::exception&) {
    // Nobody knows how many.
  }
  return concat(left, " in ", journal_.name(), kHowToGoOn);
}

}  // namespace eet
