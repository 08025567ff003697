#include "tokenizer/models/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

TokenizerError two_tokens(const std::string& file, int32_t id, const std::string& one,
                          const std::string& other) {
  return TokenizerError(file + ": vocab: id " + std::to_string(id) +
                        ": expected one token, got \"" + one + "\" and \"" + other + "\"");
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::pair<std::string, int32_t>>&& tokens,
                       const std::string& file)
    : slots_(std::bit_ceil(2 * tokens.size() + 1), -1),
      count_(static_cast<int32_t>(tokens.size())) {
  int32_t last_id = -1;
  for (const auto& [text, id] : tokens) last_id = std::max(last_id, id);
  tokens_.resize(static_cast<size_t>(last_id) + 1);
  present_.resize(tokens_.size());
  for (auto& [text, id] : tokens) {
    if (present_[id]) {
      throw two_tokens(file, id, text, tokens_[id]);
    }
    present_[id] = true;
    tokens_[id] = std::move(text);
    slots_[slot_of(tokens_[id])] = id;
  }
}

size_t Vocabulary::slot_of(std::string_view text) const {
  size_t slot = std::hash<std::string_view>()(text) & (slots_.size() - 1);
  while (slots_[slot] >= 0 && tokens_[slots_[slot]] != text)
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

std::optional<int32_t> Vocabulary::find(std::string_view text) const {
  const int32_t id = slots_[slot_of(text)];
  return id < 0 ? std::nullopt : std::optional(id);
}

}  // namespace eet
