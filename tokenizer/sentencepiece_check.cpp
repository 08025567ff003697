#include "tokenizer/sentencepiece_check.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tokenizer/darts_unit.h"

namespace eet {
namespace {

// Field numbers of sentencepiece_model.proto.
constexpr uint64_t kNormalizerSpec = 3;    // of ModelProto
constexpr uint64_t kDenormalizerSpec = 5;  // of ModelProto
constexpr uint64_t kPrecompiledCharsmap = 2;

// Walks over the fields of a serialised protocol buffer message
// (https://protobuf.dev/programming-guides/encoding).
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : rest_(message) {}

  // Goes to the next field that holds bytes; false at the end, and where the message is malformed,
  // which is at_end()'s to tell.
  bool next() {
    while (!rest_.empty()) {
      uint64_t tag = 0;
      uint64_t length = 0;
      if (!read_varint(tag)) return false;
      number_ = tag >> 3;
      switch (tag & 7) {
        case kVarint:
          if (!read_varint(length)) return false;
          break;
        case kFixed64:
          if (!skip(8)) return false;
          break;
        case kFixed32:
          if (!skip(4)) return false;
          break;
        case kBytes:
          if (!read_varint(length) || length > rest_.size()) return false;
          bytes_ = rest_.substr(0, length);
          return skip(length);
        default:  // groups: no version of the format has any
          return false;
      }
    }
    return false;
  }

  bool at_end() const { return rest_.empty(); }
  uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }

 private:
  enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  bool skip(size_t count) {
    if (count > rest_.size()) return false;
    rest_.remove_prefix(count);
    return true;
  }

  bool read_varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return false;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  std::string_view rest_;
  uint64_t number_ = 0;
  std::string_view bytes_;
};

// Calls visit(bytes) for every field `number` of `message` that holds bytes. False where the
// message is malformed.
template <typename Visit>
bool visit_fields(std::string_view message, uint64_t number, Visit visit) {
  FieldReader fields(message);
  while (fields.next()) {
    if (fields.number() == number && !visit(fields.bytes())) return false;
  }
  return fields.at_end();
}

// Whether all that can be reached from the root lies inside the array (not empty), and all its
// values below `value_end`.
bool trie_stays_inside(const std::vector<DartsUnit>& units, size_t value_end) {
  constexpr uint32_t kLabels = 256;
  std::vector<bool> seen(units.size());
  std::vector<uint32_t> blocks = {units[0].offset()};  // where children begin, not yet looked at
  while (!blocks.empty()) {
    const uint32_t block = blocks.back();
    blocks.pop_back();
    if ((block | (kLabels - 1)) >= units.size()) return false;
    if (seen[block]) continue;
    seen[block] = true;
    for (uint32_t label = 0; label < kLabels; ++label) {
      const uint32_t child = block ^ label;
      if (units[child].label() != label) continue;
      const uint32_t next = child ^ units[child].offset();
      if (next >= units.size()) return false;
      if (units[child].has_leaf() && units[next].value() >= value_end) return false;
      blocks.push_back(next);
    }
  }
  return true;
}

}  // namespace

// The map is the trie's size in bytes, the trie, and the texts that its values point to, each ended
// by a zero.
bool is_sound_character_map(std::string_view map) {
  if (map.empty()) return true;  // no rules
  uint32_t trie_bytes = 0;
  if (map.size() < sizeof trie_bytes) return false;
  std::memcpy(&trie_bytes, map.data(), sizeof trie_bytes);
  map.remove_prefix(sizeof trie_bytes);
  if (trie_bytes < sizeof(DartsUnit) || trie_bytes > map.size()) return false;
  std::vector<DartsUnit> units(trie_bytes / sizeof(DartsUnit));
  std::memcpy(units.data(), map.data(), units.size() * sizeof(DartsUnit));
  const std::string_view texts = map.substr(trie_bytes);
  return texts.ends_with('\0') && trie_stays_inside(units, texts.size());
}

bool has_sound_character_maps(std::string_view model) {
  const auto is_sound_spec = [](std::string_view spec) {
    return visit_fields(spec, kPrecompiledCharsmap, is_sound_character_map);
  };
  return visit_fields(model, kNormalizerSpec, is_sound_spec) &&
         visit_fields(model, kDenormalizerSpec, is_sound_spec);
}

}  // namespace eet
