#include "app/job/journal/journal.h"

#include <algorithm>
#include <utility>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr size_t kScanWindow = size_t{1} << 20;
constexpr size_t kFindWindow = size_t{1} << 14;  // neighbours in the input often are in the file
constexpr size_t kBatchBytes = size_t{1} << 20;

// A row's number is below the number of records ever written plus the rows that may overtake one.
// A larger one is no record of ours, and would cost memory.
constexpr uint64_t kMaxRowsAhead = uint64_t{1} << 24;

}  // namespace

std::vector<std::string> warnings(const JournalRecovery& recovery) {
  std::vector<std::string> texts;
  if (recovery.damaged_bytes > 0) {
    texts.push_back(concat("the journal has ", recovery.damaged_bytes,
                           " damaged bytes: the rows that they held run again"));
  }
  if (recovery.torn_bytes > 0) {
    texts.push_back(concat("the journal ended in ", recovery.torn_bytes,
                           " bytes that are no whole record: they are cut off"));
  }
  return texts;
}

bool is_journal(const JournalStorage& storage) {
  std::string bytes(kJournalHeaderBytes, '\0');
  bytes.resize(storage.read(0, bytes));
  JournalHeader header;
  return parse_journal_header(bytes, header) != JournalHeaderState::kForeign ||
         JournalReader(storage, kScanWindow).next(kJournalHeaderBytes).has_value();
}

Journal::Journal(std::unique_ptr<JournalStorage> storage, const JournalHeader& header,
                 SyncPolicy policy)
    : storage_(std::move(storage)), reader_(*storage_, kFindWindow) {
  recover();
  start_header(header);
  appender_ = std::make_unique<JournalAppender>(*storage_, end_, policy);
}

void Journal::recover() {
  const uint64_t size = storage_->size();
  const uint64_t max_rows = size / kJournalRecordHeadBytes + kMaxRowsAhead;
  JournalReader scan(*storage_, kScanWindow);
  end_ = kJournalHeaderBytes;
  while (const auto found = scan.next(end_)) {
    recovery_.damaged_bytes += found->begin - end_;
    end_ = found->end;
    if (found->record.row < max_rows) note(found->record.row, found->begin);
  }
  recovery_.rows = num_rows_;
  recovery_.torn_bytes = size - std::min(size, end_);
}

// Leaves a file that ends with its last whole record and begins with `header`.
void Journal::start_header(const JournalHeader& header) {
  std::string bytes(kJournalHeaderBytes, '\0');
  bytes.resize(storage_->read(0, bytes));
  JournalHeader found;
  const JournalHeaderState state = parse_journal_header(bytes, found);
  require(state != JournalHeaderState::kOtherVersion, name(),
          ": the journal is of another version of eet: finish the job with that, or give "
          "--overwrite to start afresh");
  require(state != JournalHeaderState::kForeign || recovery_.rows > 0, name(),
          ": expected a journal of eet: remove the file, or give another --output");
  recovery_.program = found.program;
  recovery_.other_job = state == JournalHeaderState::kGood && !found.same_job(header);
  start_seconds_ = found.start_seconds != 0 ? found.start_seconds : header.start_seconds;
  if (recovery_.torn_bytes > 0) storage_->truncate(end_);
  if (state != JournalHeaderState::kGood || recovery_.other_job ||
      found.start_seconds != start_seconds_) {
    storage_->write(0, format_journal_header({header.program, header.job, start_seconds_}));
  }
  storage_->sync();
}

void Journal::note(uint64_t row, uint64_t offset) {
  if (row >= offsets_.size()) offsets_.resize(row + 1);
  if (offsets_[row] == 0) ++num_rows_;
  offsets_[row] = offset;
}

std::optional<JournalRecord> Journal::find(uint64_t row) {
  const uint64_t offset = offset_of(row);
  if (offset == 0) return std::nullopt;
  std::optional<JournalRecord> record = reader_.at(offset);
  if (record && record->row != row) return std::nullopt;
  return record;
}

void Journal::add(const JournalRecord& record) {
  const size_t held = batch_.size();
  append_journal_record(batch_, end_, record);
  note(record.row, end_);
  end_ += batch_.size() - held;
  ++batch_rows_;
  if (batch_.size() >= kBatchBytes) flush();
}

void Journal::flush() {
  if (batch_rows_ == 0) return;
  appender_->append(batch_, std::exchange(batch_rows_, 0));
}

void Journal::sync() {
  flush();
  appender_->sync();
}

void Journal::for_each(const std::function<bool(const JournalRecord&)>& visit) const {
  JournalReader scan(*storage_, kScanWindow);
  uint64_t offset = kJournalHeaderBytes;
  while (const auto found = scan.next(offset)) {
    offset = found->end;
    if (offset_of(found->record.row) == found->begin && !visit(found->record)) return;
  }
}

uint64_t Journal::rows_left() const {
  uint64_t rows = 0;
  if (!storage_->in_place()) return rows;
  for_each([&](const JournalRecord&) {
    ++rows;
    return true;
  });
  return rows;
}

}  // namespace eet
