// Records of a journal, found one after the other or by their place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "app/job/journal/journal_record.h"
#include "app/job/journal/journal_storage.h"

namespace eet {

// Reads `window_bytes` ahead: many for one pass over the file, few for records here and there.
class JournalReader {
 public:
  JournalReader(const JournalStorage& storage, size_t window_bytes)
      : storage_(storage), window_bytes_(window_bytes) {}

  // The record at `offset`, or nothing when none is there that is whole. Its text is valid until
  // the next call, as for next().
  std::optional<JournalRecord> at(uint64_t offset);

  struct Found {
    uint64_t begin = 0;  // in the file, and where the next record begins
    uint64_t end = 0;
    JournalRecord record;
  };
  // The first whole record at `offset` or behind it, whatever lies between; nothing when there is
  // none.
  std::optional<Found> next(uint64_t offset);

 private:
  std::string_view read(uint64_t offset, size_t bytes);
  std::optional<uint64_t> find_mark(uint64_t offset);

  const JournalStorage& storage_;
  const size_t window_bytes_;
  std::vector<char> window_;
  uint64_t window_offset_ = 0;
};

}  // namespace eet
