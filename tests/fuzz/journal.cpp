// The journal of a job, found after a crash: as bytes from anywhere, and as whole records that were
// damaged. Checksums keep random bytes from being records, so those of the second kind are what
// gets behind them.
#include "app/job/journal/journal.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "tests/fuzz/entry.h"

namespace eet {
namespace {

const JournalHeader kHeader = {"eet 0.1.0", {1, 2}};

class MemoryStorage : public JournalStorage {
 public:
  explicit MemoryStorage(std::string bytes) : bytes_(std::move(bytes)) {}

  const std::string& name() const override { return name_; }
  uint64_t size() const override { return bytes_.size(); }
  size_t read(uint64_t offset, std::span<char> out) const override {
    return offset < bytes_.size() ? bytes_.copy(out.data(), out.size(), offset) : 0;
  }
  void write(uint64_t offset, std::string_view data) override {
    if (offset + data.size() > bytes_.size()) bytes_.resize(offset + data.size());
    bytes_.replace(offset, data.size(), data);
  }
  void truncate(uint64_t size) override { bytes_.resize(size); }
  void sync() override {}
  bool in_place() const override { return true; }
  void remove() override {}

 private:
  std::string name_ = "journal";
  std::string bytes_;
};

// A record that was written, with its text.
struct Written {
  uint64_t offset = 0;
  uint64_t row = 0;
  std::string text;
};

struct WrittenJournal {
  std::string bytes;
  std::vector<Written> records;
};

// Up to 32 records as the input says: of each its row, the lengths of its error code and text.
WrittenJournal write_journal(FuzzInput& input) {
  WrittenJournal journal{format_journal_header(kHeader), {}};
  for (int count = input.byte() % 33; count > 0; --count) {
    JournalRecord record;
    record.row = input.byte();
    record.outcome.finish = record.row % 2 == 0 ? FinishReason::kLength : FinishReason::kError;
    record.outcome.error_code = input.bytes(record.row % 8);
    const std::string text(input.bytes(input.byte()));
    record.text = text;
    journal.records.push_back({journal.bytes.size(), record.row, text});
    append_journal_record(journal.bytes, journal.bytes.size(), record);
  }
  return journal;
}

// What is left of the input says where bytes are changed, removed, doubled or cut off.
void damage(std::string& bytes, FuzzInput& input) {
  while (!input.empty() && !bytes.empty()) {
    const size_t at = (size_t{input.byte()} << 8 | input.byte()) % bytes.size();
    switch (input.byte() % 4) {
      case 0:
        bytes[at] = static_cast<char>(input.byte());
        break;
      case 1:
        bytes.erase(at, input.byte());
        break;
      case 2:
        bytes.insert(at, bytes.substr(at, input.byte()));
        break;
      default:
        bytes.resize(at);
    }
  }
}

// Calls visit(found) for every record that a scan of `storage` finds.
template <typename Visit>
void scan(const JournalStorage& storage, size_t window_bytes, Visit visit) {
  JournalReader reader(storage, window_bytes);
  uint64_t offset = kJournalHeaderBytes;
  while (const auto found = reader.next(offset)) {
    expect(found->begin >= offset && found->end > found->begin && found->end <= storage.size(),
           "records one after the other inside the file");
    offset = found->end;
    visit(*found);
  }
}

void read_bytes(std::string_view bytes, size_t window_bytes) {
  JournalHeader header;
  parse_journal_header(bytes, header);
  const MemoryStorage storage{std::string(bytes)};
  JournalReader reader(storage, window_bytes);
  scan(storage, window_bytes, [&](const JournalReader::Found& found) {
    expect(reader.at(found.begin).has_value(), "a record that was found to be found again");
  });
}

void check_records(const WrittenJournal& journal, const JournalStorage& storage,
                   size_t window_bytes) {
  scan(storage, window_bytes, [&](const JournalReader::Found& found) {
    const auto written =
        std::find_if(journal.records.begin(), journal.records.end(),
                     [&](const Written& record) { return record.offset == found.begin; });
    expect(written != journal.records.end(), "no record where none was written");
    expect(found.record.row == written->row && found.record.text == written->text,
           "records as they were written");
  });
}

// Opens the journal as a job does, adds a row, and opens it again.
void recover(const std::string& bytes) {
  Journal journal(std::make_unique<MemoryStorage>(bytes), kHeader, {});
  const uint64_t rows = journal.num_rows();
  uint64_t visited = 0;
  journal.for_each([&](const JournalRecord&) { return ++visited > 0; });
  expect(visited == rows, "every row once");
  JournalRecord record;
  record.row = 1000;
  record.text = "{}";
  journal.add(record);
  journal.sync();
  expect(journal.num_rows() == rows + 1 && journal.find(1000)->text == "{}",
         "the row that was added");
}

}  // namespace
}  // namespace eet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  FuzzInput input(data, size);
  const uint8_t mode = input.byte();
  const size_t window_bytes = 64 + mode;
  if (mode < 64) {
    read_bytes(input.rest(), window_bytes);
    return 0;
  }
  WrittenJournal journal = write_journal(input);
  damage(journal.bytes, input);
  try {
    if (mode >= 128 && size % 32 == 0) {  // seldom, since it takes a thread
      recover(journal.bytes);
    } else {
      check_records(journal, MemoryStorage(journal.bytes), window_bytes);
    }
  } catch (const Error&) {
  }
  return 0;
}
