// The journal under cuts, damage, full and failing disks.
#include "app/job/journal/journal.h"

#include <doctest/doctest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "tests/app/fake_storage.h"

namespace eet {
namespace {

const JournalHeader kHeader = {"eet test", {1, 2}};
const SyncPolicy kSyncAtOnce = {1, std::chrono::duration<double>(0)};

// A row whose every field follows from its number; lengths vary from nothing to several KiB.
struct SampleRow {
  explicit SampleRow(uint64_t row)
      : text(row % 5 == 0 ? "" : std::string(row * 37 % 5000, static_cast<char>('a' + row % 26))) {
    const bool failed = row % 3 == 0;
    record = {row,
              {row * 7, ~row},
              {failed ? FinishReason::kError : FinishReason::kLength, failed ? "bad_row" : "",
               static_cast<int64_t>(row), static_cast<int64_t>(2 * row)},
              text};
  }
  SampleRow(const SampleRow&) = delete;
  SampleRow& operator=(const SampleRow&) = delete;

  std::string text;
  JournalRecord record;
};

bool same(const JournalRecord& a, const JournalRecord& b) {
  return a.row == b.row && a.key == b.key && a.outcome.finish == b.outcome.finish &&
         a.outcome.error_code == b.outcome.error_code &&
         a.outcome.prompt_tokens == b.outcome.prompt_tokens &&
         a.outcome.completion_tokens == b.outcome.completion_tokens && a.text == b.text;
}

// A disk that holds the given bytes.
std::shared_ptr<FakeDisk> disk_of(std::string bytes) {
  auto disk = std::make_shared<FakeDisk>();
  disk->bytes = disk->synced = std::move(bytes);
  return disk;
}

Journal open(const std::shared_ptr<FakeDisk>& disk, const JournalHeader& header = kHeader) {
  return {std::make_unique<FakeStorage>(disk), header, kSyncAtOnce};
}

// Adds those of the first `count` rows that the journal lacks; gives how many it had.
uint64_t complete(Journal& journal, uint64_t count) {
  uint64_t had = 0;
  for (uint64_t row = 0; row < count; ++row) {
    const SampleRow sample(row);
    if (const auto found = journal.find(row)) {
      CHECK(same(*found, sample.record));
      ++had;
    } else {
      journal.add(sample.record);
    }
  }
  journal.sync();
  return had;
}

void check_complete(Journal& journal, uint64_t count) {
  for (uint64_t row = 0; row < count; ++row) {
    const SampleRow sample(row);
    const auto found = journal.find(row);
    REQUIRE(found);
    CHECK(same(*found, sample.record));
  }
  CHECK_FALSE(journal.find(count));
}

// The file of a journal of the first `count` rows, and where its records end.
std::string journal_bytes(uint64_t count, std::vector<size_t>* ends = nullptr) {
  std::string bytes = format_journal_header(kHeader);
  for (uint64_t row = 0; row < count; ++row) {
    append_journal_record(bytes, bytes.size(), SampleRow(row).record);
    if (ends != nullptr) ends->push_back(bytes.size());
  }
  return bytes;
}

TEST_CASE("a journal gives back its rows after it was closed, the last record of each") {
  const auto disk = disk_of("");
  {
    Journal journal = open(disk);
    SampleRow old(3);
    old.record.text = "old";
    journal.add(old.record);
    complete(journal, 3);
    journal.add(SampleRow(3).record);
    CHECK(journal.num_rows() == 4);
    journal.sync();
  }
  Journal journal = open(disk);
  CHECK(journal.recovery().rows == 4);
  CHECK(journal.recovery().damaged_bytes == 0);
  CHECK(journal.recovery().torn_bytes == 0);
  CHECK_FALSE(journal.recovery().other_job);
  check_complete(journal, 4);

  std::vector<uint64_t> order;
  journal.for_each([&](const JournalRecord& record) {
    order.push_back(record.row);
    return true;
  });
  CHECK(order == std::vector<uint64_t>{0, 1, 2, 3});
}

TEST_CASE("the file is the header and the records, and rows added later change none of it") {
  const auto disk = disk_of("");
  {
    Journal journal = open(disk);
    complete(journal, 20);
  }
  CHECK(disk->bytes == journal_bytes(20));
  CHECK(disk->synced == disk->bytes);
}

TEST_CASE("a journal cut off at any byte keeps every whole record and goes on") {
  std::vector<size_t> ends;
  const std::string whole = journal_bytes(8, &ends);
  for (size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    const auto disk = disk_of(whole.substr(0, length));
    Journal journal = open(disk);
    const auto kept = static_cast<uint64_t>(
        std::count_if(ends.begin(), ends.end(), [&](size_t end) { return end <= length; }));
    REQUIRE(journal.recovery().rows == kept);
    CHECK(journal.recovery().damaged_bytes == 0);
    CHECK(complete(journal, 8) == kept);
    CHECK(disk->bytes == whole);
  }
}

TEST_CASE("a flipped byte anywhere costs the record it lies in and no other") {
  std::vector<size_t> ends;
  const std::string whole = journal_bytes(8, &ends);
  for (size_t place = 0; place < whole.size(); ++place) {
    CAPTURE(place);
    std::string bytes = whole;
    bytes[place] = static_cast<char>(bytes[place] ^ (1 << place % 8));
    const auto disk = disk_of(bytes);
    Journal journal = open(disk);
    const bool in_header = place < kJournalHeaderBytes;
    CHECK(journal.recovery().rows == (in_header ? 8 : 7));
    CHECK(complete(journal, 8) == (in_header ? 8 : 7));
    check_complete(journal, 8);
  }
}

TEST_CASE("what does not belong between records is skipped") {
  std::vector<size_t> ends;
  const std::string whole = journal_bytes(6, &ends);
  const std::string first = whole.substr(0, ends[2]);
  SUBCASE("zeros in place of a record, as after a loss of power") {
    std::string bytes = whole;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(ends[2]),
              bytes.begin() + static_cast<std::ptrdiff_t>(ends[3]), '\0');
    Journal journal = open(disk_of(bytes));
    CHECK(journal.recovery().damaged_bytes == ends[3] - ends[2]);
    CHECK(complete(journal, 6) == 5);
  }
  SUBCASE("whole records at a wrong place") {
    Journal journal = open(disk_of(first + "x" + whole.substr(ends[2])));
    CHECK(journal.recovery().rows == 3);
    CHECK(complete(journal, 6) == 3);
  }
  SUBCASE("marks without records, also across the window of the reader") {
    std::string junk(size_t{3} << 20, 'j');
    for (size_t place = 5; place + 8 < junk.size(); place += 4099) {
      junk.replace(place, kJournalMark.size(), kJournalMark);
    }
    std::string bytes = first + junk;
    append_journal_record(bytes, bytes.size(), SampleRow(4).record);
    Journal journal = open(disk_of(bytes));
    CHECK(journal.recovery().rows == 4);
    CHECK(journal.recovery().damaged_bytes == junk.size());
    CHECK(complete(journal, 6) == 4);
    check_complete(journal, 6);
  }
}

TEST_CASE("a loss of power costs no row that was synced, and leaves nothing that is wrong") {
  constexpr uint64_t kRows = 40;
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    auto disk = disk_of("");
    uint64_t synced = 0;
    while (true) {
      Journal journal = open(disk);
      const uint64_t had = complete(journal, synced);
      REQUIRE(had == synced);  // none that was synced is lost
      if (synced == kRows) break;
      for (uint64_t row = synced; row < std::min(kRows, synced + 10); ++row) {
        if (!journal.find(row)) journal.add(SampleRow(row).record);
        if (random() % 4 != 0) continue;
        journal.sync();
        synced = row + 1;
      }
      journal.flush();
      const std::lock_guard lock(disk->mutex);
      // Rows not yet on the disk at all may be there or not.
      const auto left = disk_of(after_power_loss(*disk, random));
      disk = left;
    }
    Journal journal = open(disk);
    check_complete(journal, kRows);
  }
}

TEST_CASE("a full disk is reported, and the rows before it are kept") {
  const std::string whole = journal_bytes(30);
  for (size_t capacity = 64; capacity < whole.size(); capacity += 997) {
    CAPTURE(capacity);
    const auto disk = disk_of("");
    disk->capacity = capacity;
    {
      Journal journal = open(disk);
      CHECK_THROWS_WITH_AS(complete(journal, 30), "disk: No space left on device", Error);
      CHECK_THROWS_AS(journal.sync(), Error);
    }
    CHECK(disk->bytes.size() == capacity);
    disk->capacity = std::numeric_limits<size_t>::max();
    Journal journal = open(disk);
    complete(journal, 30);
    CHECK(disk->bytes == whole);
  }
}

TEST_CASE("after a failed sync nothing more is written") {
  const auto disk = disk_of("");
  Journal journal = open(disk);
  complete(journal, 5);
  {
    const std::lock_guard lock(disk->mutex);
    disk->sync_fails = true;
  }
  journal.add(SampleRow(5).record);
  CHECK_THROWS_WITH_AS(journal.sync(), "disk: Input/output error", Error);
  {
    const std::lock_guard lock(disk->mutex);
    disk->sync_fails = false;
  }
  const size_t before = disk->bytes.size();
  journal.add(SampleRow(6).record);
  CHECK_THROWS_AS(journal.flush(), Error);
  CHECK(disk->bytes.size() == before);
}

TEST_CASE("rows become durable without being asked for, by number and by time") {
  const auto disk = disk_of("");
  const auto wait_for_sync = [&] {
    for (int i = 0; i < 1000; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const std::lock_guard lock(disk->mutex);
      if (disk->synced == journal_bytes(3)) return true;
    }
    return false;
  };
  SyncPolicy policy;
  SUBCASE("by number") {
    policy = {3, std::chrono::duration<double>(3600)};
  }
  SUBCASE("by time") {
    policy = {1'000'000, std::chrono::duration<double>(0.05)};
  }
  Journal journal(std::make_unique<FakeStorage>(disk), kHeader, policy);
  for (uint64_t row = 0; row < 3; ++row) {
    journal.add(SampleRow(row).record);
    journal.flush();
  }
  CHECK(wait_for_sync());
}

TEST_CASE("the journal of another job is known as such, and gets this job's header") {
  const auto disk = disk_of(journal_bytes(2));
  const JournalHeader other = {"eet test", {9, 9}};
  CHECK(open(disk, other).recovery().other_job);
  CHECK_FALSE(open(disk, other).recovery().other_job);
  CHECK(open(disk, other).recovery().rows == 2);
}

TEST_CASE("a file that is no journal, or a later version's, is refused and left alone") {
  const std::string text = std::string(500, 'x') + "\n";
  const auto foreign = disk_of(text);
  CHECK_THROWS_WITH_AS(open(foreign), doctest::Contains("expected a journal of eet"), Error);
  CHECK(foreign->bytes == text);

  std::string header = format_journal_header(kHeader);
  header[16] = 9;  // the version
  const uint64_t checksum = hash64(std::string_view(header).substr(16), 0);
  header.replace(8, sizeof checksum, reinterpret_cast<const char*>(&checksum), sizeof checksum);
  CHECK_THROWS_WITH_AS(open(disk_of(header)), doctest::Contains("another version of eet"), Error);
}

TEST_CASE("a record with an absurd row number costs no memory") {
  std::string bytes = journal_bytes(2);
  SampleRow sample(2);
  sample.record.row = uint64_t{1} << 60;
  append_journal_record(bytes, bytes.size(), sample.record);
  Journal journal = open(disk_of(bytes));
  CHECK(journal.recovery().rows == 2);
}

TEST_CASE("no damage makes the journal crash or give a row that was never written") {
  const std::string whole = journal_bytes(12);
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    CAPTURE(i);
    std::string bytes = whole.substr(0, random() % (whole.size() + 1));
    for (unsigned n = random() % 8; n > 0 && !bytes.empty(); --n) {
      const size_t place = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[place] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(place, random() % 200);
          break;
        default:
          bytes.insert(place, bytes.substr(random() % bytes.size(), random() % 300));
      }
    }
    try {
      Journal journal = open(disk_of(bytes));
      complete(journal, 12);
      check_complete(journal, 12);
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find("journal") != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace eet
