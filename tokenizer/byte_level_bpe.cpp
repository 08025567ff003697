#include "tokenizer/byte_level_bpe.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <shared_mutex>

#include "tokenizer/json_view.h"
#include "tokenizer/nfc.h"

namespace eet {
namespace {

// GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other bytes, in order,
// for U+0100 and up. Returns the character of each byte.
std::array<char32_t, 256> byte_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    alphabet[byte] = printable ? byte : next++;
  }
  return alphabet;
}

// The byte of each character of the alphabet; -1 for other characters.
std::vector<int> character_bytes() {
  std::vector<int> bytes;
  const auto alphabet = byte_alphabet();
  for (size_t byte = 0; byte < alphabet.size(); ++byte) {
    bytes.resize(std::max<size_t>(bytes.size(), alphabet[byte] + 1), -1);
    bytes[alphabet[byte]] = static_cast<int>(byte);
  }
  return bytes;
}

// The bytes that a token of the file stands for; its own UTF-8 where a character is not of the
// alphabet, as Hugging Face's ByteLevel decoder has it.
std::string bytes_of_token(std::string_view token) {
  static const std::vector<int> kBytes = character_bytes();
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const char32_t character = next_code_point(token, at);
    if (character >= kBytes.size() || kBytes[character] < 0) return std::string(token);
    bytes.push_back(static_cast<char>(kBytes[character]));
  }
  return bytes;
}

}  // namespace

// Ids of words seen before. Text repeats its words, so a look-up replaces most merging. Sharded, so
// that threads rarely meet, and bounded: a full shard takes no more.
class ByteLevelBpe::WordCache {
 public:
  static constexpr size_t kLongestWord = 64;

  // Appends the ids of `word` if they are known.
  bool find(std::string_view word, std::vector<int32_t>& ids) const {
    const Shard& shard = shards_[shard_of(word)];
    const std::shared_lock lock(shard.mutex);
    const auto found = shard.words.find(word);
    if (found == shard.words.end()) return false;
    ids.insert(ids.end(), found->second.begin(), found->second.end());
    return true;
  }

  void insert(std::string_view word, const std::vector<int32_t>& ids) {
    Shard& shard = shards_[shard_of(word)];
    const std::unique_lock lock(shard.mutex);
    if (shard.words.size() < kWordsPerShard) shard.words.emplace(word, ids);
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };
  struct Shard {
    mutable std::shared_mutex mutex;
    std::unordered_map<std::string, std::vector<int32_t>, Hash, std::equal_to<>> words;
  };
  static constexpr size_t kShards = 32;
  static constexpr size_t kWordsPerShard = 4096;

  static size_t shard_of(std::string_view word) {
    return (word.size() * 7 + static_cast<uint8_t>(word.front()) * 3 +
            static_cast<uint8_t>(word.back())) %
           kShards;
  }
  std::array<Shard, kShards> shards_;
};

ByteLevelBpe::ByteLevelBpe(ByteLevelBpeSpec spec)
    : merges_(spec.merges.size()),
      fuse_unk_(spec.fuse_unk),
      nfc_(spec.nfc),
      add_prefix_space_(spec.add_prefix_space),
      splits_(std::move(spec.splits)),
      added_tokens_(
          spec.added_tokens,
          [this](std::string_view text) { return nfc_ ? to_nfc(text) : std::string(text); },
          spec.file),
      prefix_ids_(std::move(spec.prefix_ids)),
      suffix_ids_(std::move(spec.suffix_ids)),
      bos_id_(spec.bos_id),
      eos_id_(spec.eos_id),
      cache_(std::make_unique<WordCache>()) {
  read_vocab(spec);
  read_merges(spec);
  check_surrounding_ids(prefix_ids_, spec.file);
  check_surrounding_ids(suffix_ids_, spec.file);
}

ByteLevelBpe::~ByteLevelBpe() = default;

void ByteLevelBpe::read_vocab(const ByteLevelBpeSpec& spec) {
  int32_t last_id = added_tokens_.by_id().empty() ? -1 : added_tokens_.by_id().rbegin()->first;
  for (const auto& [token, id] : spec.vocab) last_id = std::max(last_id, id);
  std::vector<const std::string*> names(static_cast<size_t>(last_id) + 1, nullptr);
  token_bytes_.resize(names.size());
  for (const auto& [token, id] : spec.vocab) {
    if (names[id] != nullptr) {
      throw TokenizerError(spec.file + ": vocab: id " + std::to_string(id) +
                           ": expected one token, got \"" + token + "\" and \"" + *names[id] +
                           "\"");
    }
    names[id] = &token;
    token_bytes_[id] = bytes_of_token(token);
    if (spec.ignore_merges) whole_words_.emplace(token_bytes_[id], id);
  }
  for (const auto& [id, token] : added_tokens_.by_id()) {
    if (names[id] != nullptr && *names[id] != token.content) {
      throw TokenizerError(spec.file + ": added token \"" + token.content + "\": its id " +
                           std::to_string(id) + " is that of \"" + *names[id] +
                           "\" in the vocabulary");
    }
    const auto known = spec.vocab.find(token.content);
    if (known != spec.vocab.end() && known->second != id) {
      throw TokenizerError(spec.file + ": added token \"" + token.content +
                           "\": expected the vocabulary's id " + std::to_string(known->second) +
                           ", got " + std::to_string(id));
    }
    token_bytes_[id] = bytes_of_token(token.content);
  }
  const auto alphabet = byte_alphabet();
  for (size_t byte = 0; byte < alphabet.size(); ++byte) {
    std::string character;
    append_code_point(character, alphabet[byte]);
    const auto found = spec.vocab.find(character);
    byte_ids_[byte] = found == spec.vocab.end() ? -1 : found->second;
  }
  if (spec.unk_token) {
    const auto found = spec.vocab.find(*spec.unk_token);
    if (found != spec.vocab.end()) unk_id_ = found->second;
  }
}

void ByteLevelBpe::read_merges(const ByteLevelBpeSpec& spec) {
  uint32_t rank = 0;
  const auto id_of = [&](const std::string& token) {
    const auto found = spec.vocab.find(token);
    if (found == spec.vocab.end()) {
      throw TokenizerError(
          spec.file + ": merges: merge " + std::to_string(rank) + ": \"" + token +
          "\" is not in the vocabulary; vocabulary and merges are of two tokenizers");
    }
    return found->second;
  };
  for (const auto& [left, right] : spec.merges) {
    const int32_t left_id = id_of(left);
    const int32_t right_id = id_of(right);
    merges_.add(left_id, right_id, rank, id_of(left + right));
    ++rank;
  }
}

void ByteLevelBpe::check_surrounding_ids(const std::vector<int32_t>& ids,
                                         const std::string& file) const {
  for (int32_t id : ids) {
    if (id >= 0 && id < vocab_size()) continue;
    throw TokenizerError(file + ": the special tokens put around a text: expected ids from 0 to " +
                         std::to_string(vocab_size() - 1) + ", got " + std::to_string(id));
  }
}

std::string ByteLevelBpe::token_bytes(int32_t id) const {
  return id >= 0 && id < vocab_size() ? token_bytes_[id] : std::string();
}

bool ByteLevelBpe::is_special(int32_t id) const {
  const AddedToken* token = added_tokens_.find(id);
  return token != nullptr && token->special;
}

std::vector<int32_t> ByteLevelBpe::encode(std::string_view text, bool add_special_tokens) const {
  check_text(text);
  std::vector<int32_t> ids;
  std::vector<TextSegment> segments;
  std::vector<TextSegment> inner;
  added_tokens_.split(text, false, segments);
  for (const TextSegment& segment : segments) {
    if (segment.token) {
      ids.push_back(segment.token->id);
      continue;
    }
    const std::string composed = nfc_ ? to_nfc(segment.text) : std::string();
    inner.clear();
    added_tokens_.split(nfc_ ? composed : segment.text, true, inner);
    for (const TextSegment& part : inner) {
      if (part.token) {
        ids.push_back(part.token->id);
      } else {
        encode_text(part.text, ids);
      }
    }
  }
  if (add_special_tokens) surround(ids, prefix_ids_, suffix_ids_);
  return ids;
}

void ByteLevelBpe::encode_text(std::string_view text, std::vector<int32_t>& ids) const {
  std::string spaced;
  if (add_prefix_space_ && !text.starts_with(' ')) {
    spaced.append(1, ' ').append(text);
    text = spaced;
  }
  std::vector<std::string_view> pieces = {text};
  std::vector<std::string_view> finer;
  for (const SplitPattern& pattern : splits_) {
    finer.clear();
    for (std::string_view piece : pieces) pattern.split(piece, finer);
    pieces.swap(finer);
  }
  for (std::string_view word : pieces) encode_word(word, ids);
}

void ByteLevelBpe::encode_word(std::string_view word, std::vector<int32_t>& ids) const {
  const bool cacheable = word.size() <= WordCache::kLongestWord;
  if (cacheable && cache_->find(word, ids)) return;
  std::vector<int32_t> symbols;
  const auto whole =
      whole_words_.empty() ? whole_words_.end() : whole_words_.find(std::string(word));
  if (whole != whole_words_.end()) {
    symbols = {whole->second};
  } else {
    symbols = byte_symbols(word);
    merges_.merge(symbols);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  if (cacheable) cache_->insert(word, symbols);
}

// One symbol for each byte, before any merge. Bytes that the vocabulary lacks are the unknown
// token, or nothing where there is none.
std::vector<int32_t> ByteLevelBpe::byte_symbols(std::string_view word) const {
  std::vector<int32_t> symbols;
  symbols.reserve(word.size());
  bool after_unknown = false;
  for (char byte : word) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    if (id >= 0) {
      symbols.push_back(id);
    } else if (unk_id_ && !(after_unknown && fuse_unk_)) {
      symbols.push_back(*unk_id_);
    }
    after_unknown = id < 0;
  }
  return symbols;
}

DecodeState ByteLevelBpe::begin_decoding() const {
  return {Utf8Assembler(Utf8Replacement::kPerSubpart)};
}

void ByteLevelBpe::append_text(int32_t id, bool skip_special_tokens, DecodeState& state,
                               std::string& text) const {
  if (id < 0 || id >= vocab_size() || (skip_special_tokens && is_special(id))) return;
  state.utf8.push(token_bytes_[id], text);
}

}  // namespace eet
