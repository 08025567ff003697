// The finished rows of a job, kept where a crash cannot reach them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/job/journal/journal_appender.h"
#include "app/job/journal/journal_reader.h"
#include "app/job/journal/journal_record.h"
#include "app/job/journal/journal_storage.h"

namespace eet {

// What was found when a journal was opened.
struct JournalRecovery {
  uint64_t rows = 0;           // that have a whole record
  uint64_t damaged_bytes = 0;  // between whole records
  uint64_t torn_bytes = 0;     // behind the last whole record, cut off
  bool other_job = false;      // the header is another job's: other flags, model or program
  std::string program;         // that wrote the header, where it can be read
};

// One sentence each, for people.
std::vector<std::string> warnings(const JournalRecovery& recovery);

// Whether `storage` is empty or holds a journal, of whatever version and however damaged. What is
// neither is somebody else's.
bool is_journal(const JournalStorage& storage);

// Append-only: of several records of one row the last counts. In memory it holds 8 bytes a row.
class Journal {
 public:
  // Reads what `storage` holds. Records that are cut off or damaged are as if never written, and
  // the next one is looked for behind them; what follows the last whole one is cut off. Throws
  // Error when the file is no journal, or one of another version of the format.
  Journal(std::unique_ptr<JournalStorage> storage, const JournalHeader& header, SyncPolicy policy);

  const JournalRecovery& recovery() const { return recovery_; }
  const std::string& name() const { return storage_->name(); }
  // When the job was first started, whatever was resumed since.
  int64_t start_seconds() const { return start_seconds_; }

  uint64_t num_rows() const { return num_rows_; }  // recorded, now

  // The row's record, or nothing. What add() took is found after sync(). The record's text is valid
  // until the next call.
  std::optional<JournalRecord> find(uint64_t row);

  // Records a finished row; it is handed to the appender's thread by flush(), or when enough have
  // come together. Both throw what made writing fail.
  void add(const JournalRecord& record);
  void flush();

  // Returns once all is durable.
  void sync();

  // Calls visit(record) for the last record of every row in the order of the file, until it returns
  // false. After sync() only.
  void for_each(const std::function<bool(const JournalRecord&)>& visit) const;

  // Of num_rows(), those that a later run can read: fewer where somebody removed, replaced or
  // emptied the journal. Throws Error when reading fails.
  uint64_t rows_left() const;

  // The journal has served its purpose.
  void remove() { storage_->remove(); }

 private:
  void recover();
  void start_header(const JournalHeader& header);
  uint64_t offset_of(uint64_t row) const { return row < offsets_.size() ? offsets_[row] : 0; }
  void note(uint64_t row, uint64_t offset);

  std::unique_ptr<JournalStorage> storage_;
  JournalReader reader_;
  JournalRecovery recovery_;
  std::vector<uint64_t> offsets_;  // by row, 0: none
  uint64_t num_rows_ = 0;
  int64_t start_seconds_ = 0;
  uint64_t end_ = 0;   // of the file, with what is still on its way there
  std::string batch_;  // records not yet handed to the appender
  uint64_t batch_rows_ = 0;
  std::unique_ptr<JournalAppender> appender_;
};

}  // namespace eet
