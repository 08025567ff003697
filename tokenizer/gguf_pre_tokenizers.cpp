// Names: llama_vocab::impl::load of llama.cpp's src/llama-vocab.cpp. What they stand for: the
// tokenizer.json of the models behind each name.
#include "tokenizer/gguf_pre_tokenizers.h"

#include <algorithm>
#include <iterator>

#include "tokenizer/regex/known_patterns.h"
#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

using nlohmann::json;

// GPT-4o's, and Tekken's, which knows no English endings.
constexpr std::string_view kGpt4oPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// What comes before the byte alphabet is written.
enum class Cut {
  kGpt2,            // GPT-2's pattern
  kDigitsThenGpt2,  // each digit, then that
  kFalcon,          // punctuation, GPT-2's pattern, numbers by three digits
  kPattern,         // a pattern of its own
};

struct NamedCut {
  std::string_view name;
  Cut cut = Cut::kGpt2;
  std::string_view pattern = {};  // of kPattern
  bool composes = false;          // NFC
  bool ignore_merges = false;
  bool adds_bos = false;
};

constexpr NamedCut kCuts[] = {
    {"gpt-2"},
    {"phi-2"},
    {"gigachat"},
    {"exaone4"},
    {"mpt", Cut::kGpt2, {}, /*composes=*/true},
    {"olmo", Cut::kGpt2, {}, true},
    {"starcoder", Cut::kDigitsThenGpt2},
    {"refact", Cut::kDigitsThenGpt2},
    {"smollm", Cut::kDigitsThenGpt2},
    {"codeshell", Cut::kDigitsThenGpt2},
    {"command-r", Cut::kDigitsThenGpt2, {}, true},
    {"falcon", Cut::kFalcon},
    {"qwen2", Cut::kPattern, kQwen2Pattern, true},
    {"deepseek-r1-qwen", Cut::kPattern, kQwen2Pattern, true},
    {"megrez", Cut::kPattern, kQwen2Pattern, true},
    {"stablelm2", Cut::kPattern, kQwen2Pattern, true},
    {"llama3", Cut::kPattern, kLlama3Pattern, false, /*ignore_merges=*/true, /*adds_bos=*/true},
    {"llama-v3", Cut::kPattern, kLlama3Pattern, false, true, true},
    {"llama-bpe", Cut::kPattern, kLlama3Pattern, false, true, true},
    {"falcon3", Cut::kPattern, kLlama3Pattern, false, true, true},
    {"falcon-h1", Cut::kPattern, kLlama3Pattern, false, true, true},
    {"pixtral", Cut::kPattern, kLlama3Pattern, false, true, true},
    {"lfm2", Cut::kPattern, kLlama3Pattern, false, true, true},
    {"dbrx", Cut::kPattern, kLlama3Pattern},
    {"smaug-bpe", Cut::kPattern, kLlama3Pattern},
    {"glm4", Cut::kPattern, kLlama3Pattern},
    {"chatglm-bpe", Cut::kPattern, kLlama3Pattern},
    {"gpt-4o", Cut::kPattern, kGpt4oPattern},
    {"llama4", Cut::kPattern, kGpt4oPattern},
    {"tekken", Cut::kPattern, kTekkenPattern, false, true, true},
};

json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", use_regex}};
}

json split(std::string_view pattern) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", std::string(pattern)}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

json steps_of(const NamedCut& named) {
  switch (named.cut) {
    case Cut::kGpt2:
      return json::array({byte_level(true)});
    case Cut::kDigitsThenGpt2:
      return {{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)};
    case Cut::kFalcon:
      return {{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
              byte_level(true),
              {{"type", "Digits"}, {"individual_digits", false}},
              split("[0-9][0-9][0-9]")};
    case Cut::kPattern:
      return {split(named.pattern), byte_level(false)};
  }
  return nullptr;
}

}  // namespace

GgufPreTokenizer find_gguf_pre_tokenizer(std::string_view name, const std::string& where) {
  const auto* found = std::find_if(std::begin(kCuts), std::end(kCuts),
                                   [&](const NamedCut& known) { return known.name == name; });
  if (found == std::end(kCuts)) {
    std::string names;
    for (const NamedCut& known : kCuts)
      names += (names.empty() ? "" : ", ") + std::string(known.name);
    throw TokenizerError(where + ": expected one of " + names + ", got \"" + std::string(name) +
                         "\"; give the model's tokenizer.json with --tokenizer");
  }
  GgufPreTokenizer result;
  if (found->composes) result.normalizer = {{"type", "NFC"}};
  result.pre_tokenizer = {{"type", "Sequence"}, {"pretokenizers", steps_of(*found)}};
  result.ignore_merges = found->ignore_merges;
  result.adds_bos = found->adds_bos;
  return result;
}

}  // namespace eet
