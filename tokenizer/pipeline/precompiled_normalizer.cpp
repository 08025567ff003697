// Follows the reference where that departs from SentencePiece: a short grapheme cluster is replaced
// as a whole as soon as its beginning has a rule.
#include "tokenizer/pipeline/precompiled_normalizer.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tokenizer/darts_unit.h"
#include "tokenizer/sentencepiece_check.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode/graphemes.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

constexpr size_t kLongestCluster = 5;  // bytes

// The characters of base64 that `text` consists of, decoded; nothing where it has others.
std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return bytes;
}

class Precompiled final : public Normalizer {
 public:
  // `map` is sound: the trie's size in bytes, the trie, texts that end with zeros.
  explicit Precompiled(std::string_view map) {
    uint32_t trie_bytes = 0;
    std::memcpy(&trie_bytes, map.data(), sizeof trie_bytes);
    map.remove_prefix(sizeof trie_bytes);
    units_.resize(trie_bytes / sizeof(DartsUnit));
    std::memcpy(units_.data(), map.data(), units_.size() * sizeof(DartsUnit));
    texts_ = map.substr(trie_bytes);
  }

  void apply(NormalizedText& text) const override {
    NormalizedText result;
    const std::string_view old = text.text;
    for (size_t begin = 0; begin < old.size();) {
      const size_t end = end_of_grapheme(old, begin);
      append_cluster(old.substr(begin, end - begin), result.text);
      if (begin < text.origin_bytes) result.origin_bytes = result.text.size();
      begin = end;
    }
    text = std::move(result);
  }

 private:
  void append_cluster(std::string_view cluster, std::string& text) const {
    if (cluster.size() <= kLongestCluster) {
      if (const auto rule = find(cluster)) {
        text += *rule;
        return;
      }
    }
    for (size_t at = 0; at < cluster.size();) {
      const size_t begin = at;
      next_code_point(cluster, at);
      const std::string_view character = cluster.substr(begin, at - begin);
      text += find(character).value_or(character);
    }
  }

  // What the shortest beginning of `text` that has a rule becomes.
  std::optional<std::string_view> find(std::string_view text) const {
    size_t node = units_[0].offset();
    for (char c : text) {
      const auto label = static_cast<uint8_t>(c);
      if (label == 0) return std::nullopt;
      node ^= label;
      const DartsUnit unit = units_[node];
      if (unit.label() != label) return std::nullopt;
      node ^= unit.offset();
      if (!unit.has_leaf()) continue;
      const std::string_view rule = texts_.c_str() + units_[node].value();
      if (!is_utf8(rule)) {
        throw TokenizerError(
            "precompiled_charsmap: expected UTF-8, got a rule that begins inside a "
            "character; the file is damaged");
      }
      return rule;
    }
    return std::nullopt;
  }

  std::vector<DartsUnit> units_;
  std::string texts_;
};

}  // namespace

std::unique_ptr<Normalizer> read_precompiled_normalizer(const JsonView& component) {
  const JsonView field = component["precompiled_charsmap"];
  const std::optional<std::string> map = decode_base64(field.string());
  if (!map || map->empty() || !is_sound_character_map(*map)) {
    field.fail("a character map of SentencePiece in base64");
  }
  return std::make_unique<Precompiled>(*map);
}

}  // namespace eet
