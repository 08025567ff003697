#include "app/job/journal/journal_reader.h"

#include <algorithm>

namespace eet {

// Bytes of the file from `offset` on: at least `bytes`, or all there are.
std::string_view JournalReader::read(uint64_t offset, size_t bytes) {
  const bool inside = offset >= window_offset_ && offset <= window_offset_ + window_.size() &&
                      bytes <= window_.size() - (offset - window_offset_);
  if (!inside) {
    window_.resize(std::max(bytes, window_bytes_));
    window_.resize(storage_.read(offset, window_));
    window_offset_ = offset;
  }
  return std::string_view(window_.data(), window_.size()).substr(offset - window_offset_);
}

std::optional<JournalRecord> JournalReader::at(uint64_t offset) {
  const std::optional<size_t> size =
      journal_record_size(read(offset, kJournalRecordHeadBytes), offset);
  if (!size) return std::nullopt;
  return parse_journal_record(read(offset, *size), offset);
}

std::optional<uint64_t> JournalReader::find_mark(uint64_t offset) {
  while (true) {
    const std::string_view bytes = read(offset, kJournalRecordHeadBytes);
    if (bytes.size() < kJournalRecordHeadBytes) return std::nullopt;
    const size_t found = bytes.find(kJournalMark);
    if (found != std::string_view::npos) return offset + found;
    offset += bytes.size() - kJournalMark.size() + 1;  // the mark may begin at the window's end
  }
}

std::optional<JournalReader::Found> JournalReader::next(uint64_t offset) {
  for (std::optional<uint64_t> mark = find_mark(offset); mark; mark = find_mark(*mark + 1)) {
    const std::optional<size_t> size =
        journal_record_size(read(*mark, kJournalRecordHeadBytes), *mark);
    if (!size) continue;
    if (const auto record = parse_journal_record(read(*mark, *size), *mark)) {
      return Found{*mark, *mark + *size, *record};
    }
  }
  return std::nullopt;
}

}  // namespace eet
