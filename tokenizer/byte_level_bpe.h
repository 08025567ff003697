// Byte-pair encoding over bytes, as GPT-2 introduced it: any text has ids, no id is "unknown".
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/split_pattern.h"
#include "tokenizer/tokenizer.h"

namespace eet {

// GPT-2's pattern, which a ByteLevel pre-tokenizer with use_regex stands for.
inline constexpr std::string_view kGpt2SplitPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Everything that defines one tokenizer; the files' readers fill it in.
struct ByteLevelBpeSpec {
  std::string file;                                // for messages
  std::unordered_map<std::string, int32_t> vocab;  // in GPT-2's printable alphabet, as in the file
  std::vector<std::pair<std::string, std::string>> merges;  // first goes first
  std::optional<std::string> unk_token;  // for bytes that the vocabulary lacks; none: left out
  bool fuse_unk = false;                 // one for a run of them
  bool ignore_merges = false;            // a word that is in the vocabulary is one id
  bool nfc = false;
  bool add_prefix_space = false;
  std::vector<SplitPattern> splits;  // applied one after the other
  std::vector<AddedToken> added_tokens;
  std::vector<int32_t> prefix_ids;  // what add_special_tokens puts before
  std::vector<int32_t> suffix_ids;  // and behind
  std::optional<int32_t> bos_id;
  std::optional<int32_t> eos_id;
};

class ByteLevelBpe final : public Tokenizer {
 public:
  // TokenizerError, naming the file, for merges and ids that contradict the vocabulary.
  explicit ByteLevelBpe(ByteLevelBpeSpec spec);
  ~ByteLevelBpe() override;

  std::vector<int32_t> encode(std::string_view text, bool add_special_tokens) const override;
  int32_t vocab_size() const override { return static_cast<int32_t>(token_bytes_.size()); }
  std::optional<int32_t> bos_id() const override { return bos_id_; }
  std::optional<int32_t> eos_id() const override { return eos_id_; }
  bool is_special(int32_t id) const override;
  std::string token_bytes(int32_t id) const override;
  std::string kind() const override { return "byte-level BPE"; }
  DecodeState begin_decoding() const override;
  void append_text(int32_t id, bool skip_special_tokens, DecodeState& state,
                   std::string& text) const override;

 private:
  class WordCache;

  void read_vocab(const ByteLevelBpeSpec& spec);
  void read_merges(const ByteLevelBpeSpec& spec);
  void check_surrounding_ids(const std::vector<int32_t>& ids, const std::string& file) const;
  void encode_text(std::string_view text, std::vector<int32_t>& ids) const;
  void encode_word(std::string_view word, std::vector<int32_t>& ids) const;
  std::vector<int32_t> byte_symbols(std::string_view word) const;

  std::vector<std::string> token_bytes_;                  // by id; empty where there is no token
  std::unordered_map<std::string, int32_t> whole_words_;  // bytes to id, with ignore_merges only
  std::array<int32_t, 256> byte_ids_;                     // -1 where the vocabulary lacks it
  MergeTable merges_;
  std::optional<int32_t> unk_id_;
  bool fuse_unk_;
  bool nfc_;
  bool add_prefix_space_;
  std::vector<SplitPattern> splits_;
  AddedTokens added_tokens_;
  std::vector<int32_t> prefix_ids_;
  std::vector<int32_t> suffix_ids_;
  std::optional<int32_t> bos_id_;
  std::optional<int32_t> eos_id_;
  std::unique_ptr<WordCache> cache_;
};

}  // namespace eet
