#include "tokenizer/gguf_vocabulary.h"

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "tokenizer/gguf_pre_tokenizers.h"
#include "tokenizer/json_view.h"
#include "tokenizer/pipeline_tokenizer.h"
#include "tokenizer/sentencepiece_tokenizer.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/utf8.h"

namespace eet {
namespace {

using nlohmann::json;

// llama_token_type of llama.h, numbered as SentencePiece's ModelProto.SentencePiece.Type.
enum TokenType : int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581, a space inside pieces

bool is_sentencepiece(const GgufVocabulary& vocabulary) {
  return vocabulary.model == "llama";
}

[[noreturn]] void fail(const GgufVocabulary& vocabulary, const char* key,
                       const std::string& message) {
  throw TokenizerError(vocabulary.file + ": tokenizer." + key + ": " + message);
}

void check_list(const GgufVocabulary& vocabulary, const char* key, size_t size) {
  if (size == vocabulary.tokens.size()) return;
  fail(vocabulary, key,
       "expected one for each of the " + std::to_string(vocabulary.tokens.size()) +
           " tokens, got " + std::to_string(size));
}

void check_id(const GgufVocabulary& vocabulary, const char* key, std::optional<int64_t> id) {
  const auto count = static_cast<int64_t>(vocabulary.tokens.size());
  if (!id || (*id >= 0 && *id < count)) return;
  fail(vocabulary, key,
       "expected an id from 0 to " + std::to_string(count - 1) + ", got " + std::to_string(*id));
}

void check(const GgufVocabulary& vocabulary) {
  if (vocabulary.model != "llama" && vocabulary.model != "gpt2") {
    fail(vocabulary, "ggml.model",
         "expected llama (SentencePiece BPE) or gpt2 (byte-level BPE), got \"" + vocabulary.model +
             "\", which is not supported; give the model's own tokenizer with --tokenizer");
  }
  const size_t count = vocabulary.tokens.size();
  if (count == 0 || count > static_cast<size_t>(kMaxTokenId) + 1) {
    fail(vocabulary, "ggml.tokens",
         "expected 1 to " + std::to_string(kMaxTokenId + 1) + " tokens, got " +
             std::to_string(count));
  }
  for (size_t id = 0; id < count; ++id) {
    if (find_invalid_utf8(vocabulary.tokens[id]) != std::string_view::npos) {
      fail(vocabulary, "ggml.tokens", "token " + std::to_string(id) + ": expected UTF-8");
    }
  }
  if (!vocabulary.types.empty()) check_list(vocabulary, "ggml.token_type", vocabulary.types.size());
  if (is_sentencepiece(vocabulary)) check_list(vocabulary, "ggml.scores", vocabulary.scores.size());
  check_id(vocabulary, "ggml.bos_token_id", vocabulary.bos_id);
  check_id(vocabulary, "ggml.eos_token_id", vocabulary.eos_id);
  check_id(vocabulary, "ggml.unknown_token_id", vocabulary.unk_id);
  check_id(vocabulary, "ggml.padding_token_id", vocabulary.pad_id);
}

int64_t type_of(const GgufVocabulary& vocabulary, size_t id) {
  return vocabulary.types.empty() ? int64_t{kNormal} : vocabulary.types[id];
}

std::string token_at(const GgufVocabulary& vocabulary, int64_t id) {
  return std::string(vocabulary.tokens[static_cast<size_t>(id)]);
}

// Phi-3's special tokens take the white space after them along. The metadata has no such flag, so
// llama.cpp goes by the model's name too.
bool strips_after(const GgufVocabulary& vocabulary, std::string_view token) {
  return vocabulary.architecture == "phi3" && is_sentencepiece(vocabulary) && token != "<unk>" &&
         token != "<s>" && token != "<|endoftext|>";
}

// The added tokens: those that are found in text before anything else. In SentencePiece models,
// those with a space in them are left to the model, which looks for them in what it normalised.
std::vector<AddedToken> added_tokens_of(const GgufVocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const int64_t type = type_of(vocabulary, id);
    const bool is_unknown = static_cast<int64_t>(id) == vocabulary.unk_id && type == kUnknown;
    const bool has_space = vocabulary.tokens[id].find(kSpaceSymbol) != std::string_view::npos;
    if (type != kControl && type != kUserDefined && !is_unknown) continue;
    if (vocabulary.tokens[id].empty() || (is_sentencepiece(vocabulary) && has_space)) continue;
    AddedToken token;
    token.content = vocabulary.tokens[id];
    token.id = static_cast<int32_t>(id);
    token.special = type != kUserDefined;
    token.normalized = false;
    token.rstrip = strips_after(vocabulary, token.content);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

json json_of(const AddedToken& token) {
  return {{"id", token.id},        {"content", token.content}, {"special", token.special},
          {"normalized", false},   {"single_word", false},     {"lstrip", false},
          {"rstrip", token.rstrip}};
}

// Added around a text.
bool adds_bos(const GgufVocabulary& vocabulary, bool otherwise) {
  return vocabulary.bos_id && vocabulary.add_bos.value_or(otherwise);
}
bool adds_eos(const GgufVocabulary& vocabulary) {
  return vocabulary.eos_id && vocabulary.add_eos.value_or(false);
}

json post_processor(const GgufVocabulary& vocabulary, bool adds_bos_by_default) {
  json single = json::array();
  json special_tokens = json::object();
  const auto add = [&](int64_t id) {
    const std::string content = token_at(vocabulary, id);
    single.push_back({{"SpecialToken", {{"id", content}, {"type_id", 0}}}});
    special_tokens[content] = {
        {"id", content}, {"ids", json::array({id})}, {"tokens", json::array({content})}};
  };
  if (adds_bos(vocabulary, adds_bos_by_default)) add(*vocabulary.bos_id);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (adds_eos(vocabulary)) add(*vocabulary.eos_id);
  const json pair = json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                                 {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}});
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special_tokens}};
}

// tokenizer.json of a byte-level BPE.
json bpe_document(const GgufVocabulary& vocabulary) {
  const GgufPreTokenizer pre =
      find_gguf_pre_tokenizer(vocabulary.pre, vocabulary.file + ": tokenizer.ggml.pre");
  json tokens = json::object();
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const auto [at, is_new] = tokens.emplace(std::string(vocabulary.tokens[id]), id);
    if (!is_new) {
      fail(vocabulary, "ggml.tokens",
           "token " + std::to_string(id) + ": \"" + at.key() + "\" is also token " +
               at.value().dump());
    }
  }
  json added = json::array();
  for (const AddedToken& token : added_tokens_of(vocabulary)) added.push_back(json_of(token));
  return {{"version", "1.0"},
          {"added_tokens", added},
          {"normalizer", pre.normalizer},
          {"pre_tokenizer", pre.pre_tokenizer},
          {"post_processor", post_processor(vocabulary, pre.adds_bos)},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"ignore_merges", pre.ignore_merges},
            {"vocab", std::move(tokens)},
            {"merges", vocabulary.merges}}}};
}

// Writes the fields of a protocol buffer message
// (https://protobuf.dev/programming-guides/encoding).
class MessageWriter {
 public:
  MessageWriter& number(int field, uint64_t value) {
    varint(static_cast<uint64_t>(field) << 3);
    varint(value);
    return *this;
  }
  MessageWriter& bytes(int field, std::string_view value) {
    varint(static_cast<uint64_t>(field) << 3 | 2);
    varint(value.size());
    message_ += value;
    return *this;
  }
  MessageWriter& fixed32(int field, float value) {
    varint(static_cast<uint64_t>(field) << 3 | 5);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) message_ += static_cast<char>(bits >> shift & 0xFF);
    return *this;
  }
  const std::string& message() const { return message_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) message_ += static_cast<char>((value & 0x7F) | 0x80);
    message_ += static_cast<char>(value);
  }

  std::string message_;
};

// The unknown token, of which SentencePiece wants exactly one. Files give that type to padding,
// too.
size_t unknown_id(const GgufVocabulary& vocabulary) {
  if (vocabulary.unk_id) return static_cast<size_t>(*vocabulary.unk_id);
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (type_of(vocabulary, id) == kUnknown) return id;
  }
  return 0;
}

int64_t piece_type(const GgufVocabulary& vocabulary, size_t id, size_t unknown) {
  if (id == unknown) return kUnknown;
  const int64_t type = type_of(vocabulary, id);
  return type < kNormal || type > kByte || type == kUnknown ? int64_t{kUnused} : type;
}

// tokenizer.model: a ModelProto of sentencepiece_model.proto.
std::string sentencepiece_model(const GgufVocabulary& vocabulary) {
  const size_t unknown = unknown_id(vocabulary);
  MessageWriter model;
  std::unordered_set<std::string> seen;
  bool has_bytes = false;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    int64_t type = piece_type(vocabulary, id, unknown);
    std::string piece(vocabulary.tokens[id]);
    if (piece.empty() || !seen.insert(piece).second) {
      // SentencePiece refuses these; no text gives them.
      piece = "[PAD" + std::to_string(id) + "]";
      type = kUnused;
      seen.insert(piece);
    }
    has_bytes |= type == kByte;
    const auto score = static_cast<float>(vocabulary.scores[id]);
    model.bytes(1, MessageWriter()
                       .bytes(1, piece)
                       .fixed32(2, std::isfinite(score) ? score : 0.0F)
                       .number(3, static_cast<uint64_t>(type))
                       .message());
  }
  constexpr uint64_t kBpe = 2;
  MessageWriter trainer;
  trainer.number(3, kBpe).number(35, has_bytes ? 1 : 0);  // model_type, byte_fallback
  trainer.bytes(45, vocabulary.tokens[unknown]);          // unk_piece
  if (vocabulary.bos_id) trainer.bytes(46, token_at(vocabulary, *vocabulary.bos_id));
  if (vocabulary.eos_id) trainer.bytes(47, token_at(vocabulary, *vocabulary.eos_id));
  model.bytes(2, trainer.message());
  model.bytes(3, MessageWriter()
                     .bytes(1, "identity")
                     .number(3, vocabulary.add_space_prefix.value_or(true) ? 1 : 0)
                     .number(4, vocabulary.remove_extra_whitespaces.value_or(false) ? 1 : 0)
                     .number(5, 1)  // escape_whitespaces
                     .message());
  return model.message();
}

// The special tokens by role; nothing where the file names none.
std::vector<std::pair<const char*, std::optional<std::string>>> roles_of(
    const GgufVocabulary& vocabulary) {
  const auto token = [&](std::optional<int64_t> id) {
    return id ? std::optional(token_at(vocabulary, *id)) : std::nullopt;
  };
  return {{"bos_token", token(vocabulary.bos_id)},
          {"eos_token", token(vocabulary.eos_id)},
          {"unk_token", token(vocabulary.unk_id)},
          {"pad_token", token(vocabulary.pad_id)}};
}

// tokenizer_config.json.
json config_document(const GgufVocabulary& vocabulary) {
  json config = json::object();
  for (const auto& [role, token] : roles_of(vocabulary)) {
    config[role] = token ? json(*token) : json(nullptr);
  }
  if (is_sentencepiece(vocabulary)) {
    config["add_bos_token"] = adds_bos(vocabulary, true);
    config["add_eos_token"] = adds_eos(vocabulary);
    config["add_prefix_space"] = vocabulary.add_space_prefix.value_or(true);
    config["legacy"] = false;
    json decoder = json::object();
    for (const AddedToken& token : added_tokens_of(vocabulary)) {
      decoder[std::to_string(token.id)] = json_of(token);
    }
    config["added_tokens_decoder"] = std::move(decoder);
  }
  if (!vocabulary.chat_template.empty()) config["chat_template"] = vocabulary.chat_template;
  return config;
}

std::string text_of(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

}  // namespace

std::vector<TextFile> tokenizer_files(const GgufVocabulary& vocabulary) {
  check(vocabulary);
  std::vector<TextFile> files;
  if (is_sentencepiece(vocabulary)) {
    files.push_back({"tokenizer.model", sentencepiece_model(vocabulary)});
  } else {
    files.push_back({"tokenizer.json", text_of(bpe_document(vocabulary))});
  }
  files.push_back({"tokenizer_config.json", text_of(config_document(vocabulary))});
  return files;
}

std::unique_ptr<Tokenizer> load_tokenizer(const GgufVocabulary& vocabulary) {
  check(vocabulary);
  const json document = config_document(vocabulary);
  const TokenizerConfig config = read_tokenizer_config(JsonView(document, vocabulary.file));
  if (is_sentencepiece(vocabulary)) {
    return std::make_unique<SentencePieceTokenizer>(sentencepiece_model(vocabulary),
                                                    vocabulary.file, config);
  }
  const json tokenizer = bpe_document(vocabulary);
  return std::make_unique<PipelineTokenizer>(
      read_tokenizer_json(JsonView(tokenizer, vocabulary.file), config));
}

std::optional<ChatTemplate> load_chat_template(const GgufVocabulary& vocabulary) {
  if (vocabulary.chat_template.empty()) return std::nullopt;
  check(vocabulary);
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  for (const auto& [role, token] : roles_of(vocabulary)) {
    if (token) variables[role] = *token;
  }
  return ChatTemplate(vocabulary.chat_template, vocabulary.file + ": tokenizer.chat_template",
                      std::move(variables));
}

}  // namespace eet
