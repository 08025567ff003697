// The journal's file format: a header, then records one after the other.
//
// All numbers are little-endian. A record begins with a mark that no JSON text holds, so that
// records behind a damaged one are found again, and its checksums cover all of it and its place in
// the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/job/journal/hash.h"
#include "app/job/output/row_outcome.h"

namespace eet {

// One finished row. The views of a parsed record point into what it was parsed from.
struct JournalRecord {
  uint64_t row = 0;
  Hash128 key;  // of all that decides the row's result (journal_key.h)
  RowOutcome outcome;
  std::string_view text;  // the row of the output
  uint64_t line = 0;      // below 2^48: a mark of the place in the input that `text` names; else 0
};

inline constexpr size_t kJournalHeaderBytes = 64;
inline constexpr size_t kJournalRecordHeadBytes = 64;
inline constexpr size_t kMaxJournalRecordBytes = size_t{1} << 30;
extern const std::string_view kJournalMark;  // that every record begins with

// Appends to `out` the record for the place `offset` of the file. Throws Error when it is larger
// than kMaxJournalRecordBytes.
void append_journal_record(std::string& out, uint64_t offset, const JournalRecord& record);

// Size of the record whose head `bytes`, read at `offset`, begin with; nothing when the head is cut
// off or damaged. It has a checksum of its own, so that the size can be trusted.
std::optional<size_t> journal_record_size(std::string_view bytes, uint64_t offset);

// The record at the beginning of `bytes`, which were read at `offset`; nothing when it is cut off
// or damaged.
std::optional<JournalRecord> parse_journal_record(std::string_view bytes, uint64_t offset);

// What a job is called in messages: rows are matched by their own keys.
struct JournalHeader {
  std::string program;        // name and version, cut after 20 bytes
  Hash128 job;                // of model, program, device kind and flags
  int64_t start_seconds = 0;  // when the job was first started, since 1970; 0: not known

  bool same_job(const JournalHeader& other) const {
    return program == other.program && job == other.job;
  }
};

std::string format_journal_header(const JournalHeader& header);

enum class JournalHeaderState {
  kGood,
  kDamaged,       // of a journal, but not readable
  kOtherVersion,  // of a journal in another version of the format
  kForeign,       // nothing like a journal
};

// Reads the header at the beginning of a file. The beginning of one is a damaged one, as the
// program may be stopped while it makes the file, and so are zeros, which a loss of power leaves.
JournalHeaderState parse_journal_header(std::string_view bytes, JournalHeader& header);

}  // namespace eet
