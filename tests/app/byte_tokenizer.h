// The simplest tokenizer: an id is a byte.
#pragma once

#include "tokenizer/tokenizer.h"

namespace eet {

// Ids 0 to 255 are bytes, 256 is BOS and special.
class ByteTokenizer : public Tokenizer {
 public:
  static constexpr int32_t kBos = 256;

  explicit ByteTokenizer(bool adds_bos) : adds_bos_(adds_bos) {}

  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens) const override {
    std::vector<int32_t> ids;
    if (adds_bos_ && add_special_tokens) ids.push_back(kBos);
    for (const char c : text) ids.push_back(static_cast<uint8_t>(c));
    return ids;
  }
  int32_t vocab_size() const override { return 257; }
  std::optional<int32_t> bos_id() const override { return kBos; }
  std::optional<int32_t> eos_id() const override { return std::nullopt; }
  bool is_special(int32_t id) const override { return id == kBos; }
  std::string kind() const override { return "bytes"; }
  std::vector<int32_t> prefix_ids() const override {
    return adds_bos_ ? std::vector<int32_t>{kBos} : std::vector<int32_t>{};
  }
  void finish_text(DecodeState& state, std::string& text) const override { state.utf8.flush(text); }
  DecodeState begin_decoding() const override {
    return {Utf8Assembler(Utf8Replacement::kPerSubpart)};
  }
  void append_text(int32_t id, bool skip_special_tokens, DecodeState& state,
                   std::string& text) const override {
    if (id < 256) {
      const char byte = static_cast<char>(id);
      state.utf8.push({&byte, 1}, text);
    } else if (id == kBos && !skip_special_tokens) {
      text += "<s>";
    }
  }

 private:
  bool adds_bos_;
};

}  // namespace eet
