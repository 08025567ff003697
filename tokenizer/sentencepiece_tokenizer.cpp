#include "tokenizer/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <unordered_map>
#include <utility>

#include "tokenizer/sentencepiece_check.h"

namespace eet {
namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581, a space inside pieces

// The library takes up to 250 bytes of memory for each of a text.
constexpr size_t kMaxSegmentBytes = size_t{3} << 20;

// ModelProto.normalizer_spec.add_dummy_prefix = false. A serialised message that comes again is
// merged into the first, so appending this overrides the model's own value.
constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

std::unique_ptr<sentencepiece::SentencePieceProcessor> load_processor(std::string_view model,
                                                                      const std::string& file) {
  std::string reason = "damaged, or with normalisation rules that are";
  if (has_sound_character_maps(model)) {
    auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
    try {
      const auto status = processor->LoadFromSerializedProto(model);
      if (status.ok()) return processor;
      reason = status.ToString();
    } catch (const std::exception& error) {  // of its trie, where a piece is empty
      reason = error.what();
    }
  }
  throw TokenizerError(file + ": expected a SentencePiece model, got " +
                       std::to_string(model.size()) + " bytes that are none (" + reason +
                       "); the file may be truncated, or a tiktoken vocabulary, which needs "
                       "tokenizer.json");
}

std::string with_spaces(std::string_view piece) {
  std::string text;
  text.reserve(piece.size());
  for (size_t at = 0; at < piece.size();) {
    const bool is_space = piece.substr(at).starts_with(kSpaceSymbol);
    text.push_back(is_space ? ' ' : piece[at]);
    at += is_space ? kSpaceSymbol.size() : 1;
  }
  return text;
}

// "<0x0A>" -> "\n"
std::string byte_of_piece(const std::string& piece, const std::string& file) {
  unsigned value = 0;
  const char* const digits = piece.data() + 3;
  const bool framed = piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>');
  if (!framed || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
    throw TokenizerError(file + ": byte piece: expected <0xHH>, got \"" + piece + "\"");
  }
  return std::string(1, static_cast<char>(value));
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(const std::string& model, const std::string& file,
                                               const TokenizerConfig& config)
    : processor_(load_processor(model, file)) {
  // As in transformers 5: without a word about it, not the legacy way. (Version 4 warned and took
  // it.)
  const bool legacy = config.legacy.value_or(!config.present);
  prefix_every_segment_ = legacy;
  prefix_first_segment_ = legacy || config.add_prefix_space.value_or(true);
  if (!legacy) no_prefix_processor_ = load_processor(model + std::string(kNoDummyPrefix), file);
  leading_spaces_ = prefix_first_segment_ ? probe_leading_spaces() : LeadingSpaces::kKept;
  read_pieces(file);

  const auto id_or_none = [](int id) {
    return id >= 0 ? std::optional<int32_t>(id) : std::nullopt;
  };
  read_added_tokens(config, file);
  const auto role_id = [&](const NamedToken& named, int default_id) {
    if (!named.declared) return id_or_none(default_id);
    return named.token ? piece_id(named.token->content) : std::nullopt;
  };
  bos_id_ = role_id(config.bos, processor_->bos_id());
  eos_id_ = role_id(config.eos, processor_->eos_id());
  if (bos_id_ && config.add_bos_token.value_or(true)) prefix_ids_ = {*bos_id_};
  if (eos_id_ && config.add_eos_token.value_or(false)) suffix_ids_ = {*eos_id_};
}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

void SentencePieceTokenizer::read_pieces(const std::string& file) {
  pieces_.resize(static_cast<size_t>(processor_->GetPieceSize()));
  for (int id = 0; id < processor_->GetPieceSize(); ++id) {
    Piece& piece = pieces_[id];
    const std::string& content = processor_->IdToPiece(id);
    piece.special = processor_->IsControl(id) || processor_->IsUnknown(id);
    if (processor_->IsControl(id)) {
      piece.kind = Piece::Kind::kNone;
    } else if (processor_->IsByte(id)) {
      piece.kind = Piece::Kind::kByte;
      piece.text = byte_of_piece(content, file);
    } else if (processor_->IsUnknown(id)) {
      piece.kind = Piece::Kind::kText;
      processor_->Decode(std::vector<int>{id}, &piece.text).IgnoreError();  // its surface, " ⁇ "
    } else {
      piece.kind = Piece::Kind::kText;
      piece.is_word_start = content.starts_with(kSpaceSymbol);
      piece.text = with_spaces(content);
    }
  }
}

void SentencePieceTokenizer::read_added_tokens(const TokenizerConfig& config,
                                               const std::string& file) {
  std::vector<AddedToken> tokens = config.added_tokens;
  std::unordered_map<std::string, std::vector<size_t>> places;  // by content
  for (size_t i = 0; i < tokens.size(); ++i) places[tokens[i].content].push_back(i);
  const auto add_special = [&](AddedToken token) {
    token.special = true;
    const auto known = places.find(token.content);
    if (known != places.end()) {
      for (size_t place : known->second) tokens[place].special = true;
    } else if (const auto id = piece_id(token.content)) {
      token.id = *id;
      places[token.content].push_back(tokens.size());
      tokens.push_back(std::move(token));
    }
  };
  for (const AddedToken& token : config.special_tokens) add_special(token);
  const auto add_default = [&](const NamedToken& named, int id) {
    if (!config.present || named.declared || id < 0) return;
    AddedToken token;
    token.content = processor_->IdToPiece(id);
    add_special(std::move(token));
  };
  add_default(config.bos, processor_->bos_id());
  add_default(config.eos, processor_->eos_id());
  add_default(config.unk, processor_->unk_id());

  // All are looked for in the text as it is: what SentencePiece normalises is only what is left.
  for (AddedToken& token : tokens) token.normalized = false;
  added_tokens_.emplace(
      tokens, [](std::string_view text) { return std::string(text); }, file);
  for (const auto& [id, token] : added_tokens_->by_id()) {
    pieces_.resize(std::max<size_t>(pieces_.size(), static_cast<size_t>(id) + 1));
    pieces_[id] = {Piece::Kind::kText, token.special, token.content.starts_with(kSpaceSymbol),
                   with_spaces(token.content)};
  }
}

SentencePieceTokenizer::LeadingSpaces SentencePieceTokenizer::probe_leading_spaces() const {
  const auto decoded = [&](const std::vector<int>& ids) {
    std::string text;
    processor_->Decode(ids, &text).IgnoreError();
    return text;
  };
  const int space = processor_->PieceToId(kSpaceSymbol);
  if (processor_->IdToPiece(space) == kSpaceSymbol) {
    const size_t spaces_left = decoded({space, space}).size();
    if (spaces_left == 2) return LeadingSpaces::kKept;
    return spaces_left == 1 ? LeadingSpaces::kFirstDropped : LeadingSpaces::kAllDropped;
  }
  for (int id = 0; id < processor_->GetPieceSize(); ++id) {
    if (!processor_->IdToPiece(id).starts_with(kSpaceSymbol)) continue;
    return decoded({id}).starts_with(' ') ? LeadingSpaces::kKept : LeadingSpaces::kFirstDropped;
  }
  return LeadingSpaces::kKept;
}

// The id of a piece or added token of exactly this text.
std::optional<int32_t> SentencePieceTokenizer::piece_id(const std::string& content) const {
  if (added_tokens_) {
    for (const auto& [id, token] : added_tokens_->by_id()) {
      if (token.content == content) return id;
    }
  }
  const int id = processor_->PieceToId(content);
  const bool known = id >= 0 && processor_->IdToPiece(id) == content;
  return known ? std::optional<int32_t>(id) : std::nullopt;
}

std::string SentencePieceTokenizer::token_bytes(int32_t id) const {
  return id >= 0 && id < vocab_size() ? pieces_[id].text : std::string();
}

bool SentencePieceTokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && pieces_[id].special;
}

std::vector<int32_t> SentencePieceTokenizer::encode(std::string_view text,
                                                    bool add_special_tokens) const {
  check_text(text);
  if (add_special_tokens && !prefix_ids_.empty() && !added_tokens_->find(*bos_id_)) {
    // A BOS written out in the text would be taken for plain characters.
    const std::string& bos = processor_->IdToPiece(*bos_id_);
    if (text.starts_with(bos)) text.remove_prefix(bos.size());
  }
  std::vector<int32_t> ids;
  bool is_first = true;
  added_tokens_->split(text, false, [&](const TextSegment& segment) {
    if (segment.token != nullptr) {
      ids.push_back(segment.token->id);
    } else {
      encode_segment(segment.text, is_first, ids);
    }
    is_first = false;
  });
  if (add_special_tokens) {
    ids.insert(ids.begin(), prefix_ids_.begin(), prefix_ids_.end());
    ids.insert(ids.end(), suffix_ids_.begin(), suffix_ids_.end());
  }
  return ids;
}

void SentencePieceTokenizer::encode_segment(std::string_view text, bool is_first,
                                            std::vector<int32_t>& ids) const {
  if (text.size() > kMaxSegmentBytes) {
    throw TokenizerError("text: expected at most " + std::to_string(kMaxSegmentBytes) +
                         " bytes for a SentencePiece model, got " + std::to_string(text.size()) +
                         ": cut the text");
  }
  const bool prefixed = prefix_every_segment_ || (is_first && prefix_first_segment_);
  const Processor& processor = prefixed ? *processor_ : *no_prefix_processor_;
  std::vector<int> segment_ids;
  const auto status = processor.Encode(text, &segment_ids);
  if (!status.ok()) throw TokenizerError("SentencePiece: " + status.ToString());
  ids.insert(ids.end(), segment_ids.begin(), segment_ids.end());
}

DecodeState SentencePieceTokenizer::begin_decoding() const {
  return {Utf8Assembler(Utf8Replacement::kPerByte)};
}

// Follows SentencePieceProcessor::Decode, which needs all ids at once; the tests compare the two.
void SentencePieceTokenizer::append_text(int32_t id, bool skip_special_tokens, DecodeState& state,
                                         std::string& text) const {
  if (id < 0 || id >= vocab_size() || (skip_special_tokens && pieces_[id].special)) return;
  const Piece& piece = pieces_[id];
  if (piece.kind == Piece::Kind::kByte) {
    state.utf8.push(piece.text, text);
    state.at_start = false;
    return;
  }
  state.utf8.flush(text);  // only bytes in a row form a character
  std::string_view piece_text = piece.text;
  if (state.at_start && piece.is_word_start && leading_spaces_ != LeadingSpaces::kKept) {
    piece_text.remove_prefix(1);
    if (leading_spaces_ == LeadingSpaces::kFirstDropped) state.at_start = false;
  }
  if (!piece_text.empty()) state.at_start = false;
  state.utf8.push(piece_text, text);
  state.utf8.flush(text);
}

}  // namespace eet
