#include "app/job/journal/journal_record.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "lib/core/error.h"

namespace eet {
namespace {

static_assert(std::endian::native == std::endian::little, "the journal is written as it lies");

constexpr char kHeaderMagic[8] = {'E', 'E', 'T', 'J', 'R', 'N', 'L', '\n'};
constexpr uint32_t kFormatVersion = 1;

struct HeaderBytes {
  char magic[8];
  uint64_t checksum;  // of what follows
  uint32_t format_version;
  char program[20];  // padded with zeros
  uint64_t job_low;
  uint64_t job_high;
  int64_t start_seconds;
};
static_assert(sizeof(HeaderBytes) == kJournalHeaderBytes);

constexpr char kMark[8] = {'\xF7', 'E', 'E', 'T', '\xFF', 'r', 'o', '\x00'};

struct RecordHead {
  char mark[8];
  uint64_t checksum;       // of all that follows; both are seeded with the record's offset
  uint32_t head_checksum;  // of what follows in the head
  uint32_t bytes;          // of the whole record
  uint64_t row;
  uint64_t key_low;
  uint64_t key_high;
  uint32_t prompt_tokens;
  uint32_t completion_tokens;
  uint8_t finish;
  uint8_t error_code_bytes;
  uint8_t line[6];  // low byte first
};
static_assert(sizeof(RecordHead) == kJournalRecordHeadBytes);

// What the checksums cover begins behind them.
constexpr size_t kHeaderChecked = offsetof(HeaderBytes, format_version);
constexpr size_t kRecordChecked = offsetof(RecordHead, head_checksum);
constexpr size_t kHeadChecked = offsetof(RecordHead, bytes);

template <typename T>
T read_struct(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

uint32_t head_checksum(std::string_view record, uint64_t offset) {
  return static_cast<uint32_t>(
      hash64(record.substr(kHeadChecked, sizeof(RecordHead) - kHeadChecked), offset));
}

void store_line(RecordHead& head, uint64_t line) {
  for (uint8_t& byte : head.line) {
    byte = static_cast<uint8_t>(line);
    line >>= 8;
  }
}

uint64_t load_line(const RecordHead& head) {
  uint64_t line = 0;
  for (size_t i = sizeof head.line; i-- > 0;) line = line << 8 | head.line[i];
  return line;
}

// Whether `text` is what is left of a header that was being written: a part of one, or zeros.
bool is_begun_header(std::string_view text) {
  const std::string_view magic(kHeaderMagic, sizeof kHeaderMagic);
  const bool is_part =
      text.size() < kJournalHeaderBytes && text.starts_with(magic.substr(0, text.size()));
  return is_part || text.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

const std::string_view kJournalMark(kMark, sizeof kMark);

void append_journal_record(std::string& out, uint64_t offset, const JournalRecord& record) {
  const std::string_view code = std::string_view(record.outcome.error_code).substr(0, UINT8_MAX);
  const size_t bytes = sizeof(RecordHead) + code.size() + record.text.size();
  require(bytes <= kMaxJournalRecordBytes, "output row ", record.row, ": ", bytes,
          " bytes are more than the journal takes; --no-journal writes the row without one");
  RecordHead head = {};
  std::memcpy(head.mark, kMark, sizeof head.mark);
  head.bytes = static_cast<uint32_t>(bytes);
  head.row = record.row;
  head.key_low = record.key.low;
  head.key_high = record.key.high;
  head.prompt_tokens = static_cast<uint32_t>(record.outcome.prompt_tokens);
  head.completion_tokens = static_cast<uint32_t>(record.outcome.completion_tokens);
  head.finish = static_cast<uint8_t>(record.outcome.finish);
  head.error_code_bytes = static_cast<uint8_t>(code.size());
  store_line(head, record.line);
  head.head_checksum = head_checksum(bytes_of(head), offset);

  const size_t begin = out.size();
  out.append(bytes_of(head)).append(code).append(record.text);
  const uint64_t checksum = hash64(std::string_view(out).substr(begin + kRecordChecked), offset);
  std::memcpy(out.data() + begin + offsetof(RecordHead, checksum), &checksum, sizeof checksum);
}

std::optional<size_t> journal_record_size(std::string_view bytes, uint64_t offset) {
  if (bytes.size() < sizeof(RecordHead)) return std::nullopt;
  const auto head = read_struct<RecordHead>(bytes);
  const bool good = std::string_view(head.mark, sizeof head.mark) == kJournalMark &&
                    head.head_checksum == head_checksum(bytes, offset) &&
                    head.bytes >= sizeof head + head.error_code_bytes &&
                    head.bytes <= kMaxJournalRecordBytes;
  if (!good) return std::nullopt;
  return head.bytes;
}

std::optional<JournalRecord> parse_journal_record(std::string_view bytes, uint64_t offset) {
  const std::optional<size_t> size = journal_record_size(bytes, offset);
  if (!size || *size > bytes.size()) return std::nullopt;
  bytes = bytes.substr(0, *size);
  const auto head = read_struct<RecordHead>(bytes);
  if (hash64(bytes.substr(kRecordChecked), offset) != head.checksum) return std::nullopt;
  if (head.finish > static_cast<uint8_t>(FinishReason::kError)) return std::nullopt;
  bytes.remove_prefix(sizeof head);
  return JournalRecord{
      head.row,
      {head.key_low, head.key_high},
      {static_cast<FinishReason>(head.finish), std::string(bytes.substr(0, head.error_code_bytes)),
       head.prompt_tokens, head.completion_tokens},
      bytes.substr(head.error_code_bytes),
      load_line(head)};
}

std::string format_journal_header(const JournalHeader& header) {
  HeaderBytes bytes = {};
  std::memcpy(bytes.magic, kHeaderMagic, sizeof bytes.magic);
  bytes.format_version = kFormatVersion;
  std::copy_n(header.program.data(), std::min(header.program.size(), sizeof bytes.program),
              bytes.program);
  bytes.job_low = header.job.low;
  bytes.job_high = header.job.high;
  bytes.start_seconds = header.start_seconds;
  bytes.checksum = hash64(bytes_of(bytes).substr(kHeaderChecked), 0);
  return std::string(bytes_of(bytes));
}

JournalHeaderState parse_journal_header(std::string_view text, JournalHeader& header) {
  text = text.substr(0, kJournalHeaderBytes);
  if (is_begun_header(text)) return JournalHeaderState::kDamaged;
  if (text.size() < kJournalHeaderBytes) return JournalHeaderState::kForeign;
  const auto bytes = read_struct<HeaderBytes>(text);
  const bool magic = std::string_view(bytes.magic, sizeof bytes.magic) ==
                     std::string_view(kHeaderMagic, sizeof kHeaderMagic);
  const bool checksum = hash64(text.substr(kHeaderChecked, kJournalHeaderBytes - kHeaderChecked),
                               0) == bytes.checksum;
  if (!magic && !checksum) return JournalHeaderState::kForeign;
  if (!magic || !checksum) return JournalHeaderState::kDamaged;
  if (bytes.format_version != kFormatVersion) return JournalHeaderState::kOtherVersion;
  header.program.assign(bytes.program, ::strnlen(bytes.program, sizeof bytes.program));
  header.job = {bytes.job_low, bytes.job_high};
  header.start_seconds = bytes.start_seconds;
  return JournalHeaderState::kGood;
}

}  // namespace eet
