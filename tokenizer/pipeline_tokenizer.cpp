#include "tokenizer/pipeline_tokenizer.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "tokenizer/pipeline/byte_alphabet.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

// Bytes that normalizers may make of a text's: NFKC makes up to eleven of one, others write a few
// characters for one or before all. A chain of replacements could make anything.
constexpr size_t kMaxGrowth = 32;
constexpr size_t kFreeGrowth = size_t{1} << 16;

}  // namespace

PipelineTokenizer::PipelineTokenizer(PipelineSpec spec)
    : spec_(std::move(spec)),
      added_tokens_(
          spec_.added_tokens,
          [this](std::string_view text) {
            return normalize({std::string(text), 0}).text;
          },
          spec_.file),
      vocab_size_(spec_.model->vocabulary().id_end()) {
  spec_.added_tokens.clear();
  const auto& added = added_tokens_.by_id();
  if (!added.empty()) vocab_size_ = std::max(vocab_size_, added.rbegin()->first + 1);
  if (vocab_size_ == 0)
    throw TokenizerError(spec_.file + ": expected at least one token, got none");
  if (spec_.post_processor.largest_id() >= vocab_size_) {
    throw TokenizerError(spec_.file + ": post_processor: expected ids from 0 to " +
                         std::to_string(vocab_size_ - 1) + ", got " +
                         std::to_string(spec_.post_processor.largest_id()));
  }
  // Special is what reads like a special token, as in the reference.
  std::unordered_set<std::string_view> contents;
  for (const auto& [id, token] : added) {
    if (token.special) contents.insert(token.content);
  }
  decoder_tokens_.reserve(static_cast<size_t>(vocab_size_));
  for (int32_t id = 0; id < vocab_size_; ++id) decoder_tokens_.push_back(find_decoder_token(id));
  special_.resize(static_cast<size_t>(vocab_size_));
  for (const auto& [id, token] : added) special_[id] = contents.contains(*decoder_tokens_[id]);
}

NormalizedText PipelineTokenizer::normalize(NormalizedText text) const {
  const size_t longest = kFreeGrowth + kMaxGrowth * text.text.size();
  for (const auto& step : spec_.normalizers) {
    step->apply(text);
    check_length(text.text.size());
    if (text.text.size() > longest) {
      throw TokenizerError("text: expected normalizers to leave at most " +
                           std::to_string(longest) + " bytes of it, got " +
                           std::to_string(text.text.size()));
    }
  }
  return text;
}

bool PipelineTokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size_ && special_[id];
}

std::string PipelineTokenizer::kind() const {
  const std::string name(spec_.model->name());
  const bool is_byte_level =
      spec_.pre_tokenizers.writes_byte_alphabet || spec_.decoders.is_byte_level();
  return is_byte_level ? "byte-level " + name : name;
}

std::vector<int32_t> PipelineTokenizer::encode(std::string_view text,
                                               bool add_special_tokens) const {
  check_text(text);
  std::vector<int32_t> ids;
  added_tokens_.split(text, false, [&](const TextSegment& segment) {
    if (segment.token != nullptr) {
      ids.push_back(segment.token->id);
      return;
    }
    size_t origin_bytes = 0;
    if (segment.text.data() == text.data()) next_code_point(text, origin_bytes);
    encode_segment(segment.text, origin_bytes, ids);
  });
  return spec_.post_processor.apply(std::move(ids), add_special_tokens);
}

void PipelineTokenizer::encode_segment(std::string_view text, size_t origin_bytes,
                                       std::vector<int32_t>& ids) const {
  NormalizedText normalized;
  Word whole{text, origin_bytes};
  if (!spec_.normalizers.empty()) {
    normalized = normalize({std::string(text), origin_bytes});
    whole = {normalized.text, normalized.origin_bytes};
  }
  if (!added_tokens_.has_normalized()) {
    encode_normalized(whole, ids);
    return;
  }
  added_tokens_.split(whole.text, true, [&](const TextSegment& segment) {
    if (segment.token != nullptr) {
      ids.push_back(segment.token->id);
      return;
    }
    const auto begin = static_cast<size_t>(segment.text.data() - whole.text.data());
    encode_normalized(whole.part(begin, begin + segment.text.size()), ids);
  });
}

void PipelineTokenizer::encode_normalized(const Word& text, std::vector<int32_t>& ids) const {
  spec_.pre_tokenizers.apply(text, [&](const Word& word) { encode_word(word.text, ids); });
}

void PipelineTokenizer::encode_word(std::string_view word, std::vector<int32_t>& ids) const {
  check_word_length(word.size());
  const bool cacheable = word.size() <= WordCache::kLongestWord;
  if (cacheable && cache_.find(word, ids)) return;
  std::string characters;
  if (spec_.pre_tokenizers.writes_byte_alphabet) append_in_byte_alphabet(characters, word);
  const size_t before = ids.size();
  spec_.model->encode(characters.empty() ? word : std::string_view(characters), ids);
  if (cacheable) {
    cache_.insert(word, {ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end()});
  }
}

const std::string* PipelineTokenizer::find_decoder_token(int32_t id) const {
  const auto normal_form = added_tokens_.normal_forms().find(id);
  if (normal_form != added_tokens_.normal_forms().end()) return &normal_form->second;
  const AddedToken* added = added_tokens_.find(id);
  return added != nullptr ? &added->content : spec_.model->vocabulary().token(id);
}

void PipelineTokenizer::append_text(int32_t id, bool skip_special_tokens, DecodeState& state,
                                    std::string& text) const {
  if (skip_special_tokens && is_special(id)) return;
  if (id < 0 || id >= vocab_size_ || decoder_tokens_[id] == nullptr) return;
  spec_.decoders.put(*decoder_tokens_[id], state, text);
}

}  // namespace eet
