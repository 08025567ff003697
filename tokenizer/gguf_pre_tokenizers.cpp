// Names: llama_vocab::impl::load of llama.cpp's src/llama-vocab.cpp. What they stand for: the
// tokenizer.json of the models behind each name.
#include "tokenizer/gguf_pre_tokenizers.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "tokenizer/regex/known_patterns.h"
#include "tokenizer/tokenizer.h"

namespace eet {
namespace {

using nlohmann::json;

// Each splits what the one before left.
using Patterns = std::span<const std::string_view>;

constexpr std::string_view kQwen2[] = {kQwen2Pattern};
constexpr std::string_view kLlama3[] = {kLlama3Pattern};
constexpr std::string_view kGpt4o[] = {
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
// GPT-4o's, which knows no English endings and cuts digits one by one.
constexpr std::string_view kTekken[] = {
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kChineseAndKorean = R"([一-龥ࠀ-一가-퟿]+)";
constexpr std::string_view kDigit = R"(\p{N})";
// Letters that have a case, of the version of Unicode that the model knew.
constexpr std::string_view kCasedWord =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ)"
    R"(-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-)"
    R"(ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr std::string_view kDeepSeekLlm[] = {
    R"([\r\n])", kCasedWord,        R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)",
    R"(\s+$)",   kChineseAndKorean, kDigit,
};
constexpr std::string_view kDeepSeekCoder[] = {
    R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kChineseAndKorean, kDigit,
};
constexpr std::string_view kDeepSeekV3[] = {
    R"(\p{N}{1,3})",
    R"([一-龥぀-ゟ゠-ヿ]+)",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
};

// What comes before the byte alphabet is written.
enum class Cut {
  kGpt2,            // GPT-2's pattern
  kDigitsThenGpt2,  // each digit, then that
  kFalcon,          // punctuation, GPT-2's pattern, numbers by three digits
  kPatterns,        // patterns of its own
};

struct NamedCut {
  std::string_view name;
  Cut cut = Cut::kGpt2;
  Patterns patterns = {};  // of kPatterns
  bool composes = false;   // NFC
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
    {"qwen2", Cut::kPatterns, kQwen2, true},
    {"deepseek-r1-qwen", Cut::kPatterns, kQwen2, true},
    {"megrez", Cut::kPatterns, kQwen2, true},
    {"stablelm2", Cut::kPatterns, kQwen2, true},
    {"llama3", Cut::kPatterns, kLlama3, false, /*ignore_merges=*/true, /*adds_bos=*/true},
    {"llama-v3", Cut::kPatterns, kLlama3, false, true, true},
    {"llama-bpe", Cut::kPatterns, kLlama3, false, true, true},
    {"falcon3", Cut::kPatterns, kLlama3, false, true, true},
    {"falcon-h1", Cut::kPatterns, kLlama3, false, true, true},
    {"pixtral", Cut::kPatterns, kLlama3, false, true, true},
    {"lfm2", Cut::kPatterns, kLlama3, false, true, true},
    {"dbrx", Cut::kPatterns, kLlama3},
    {"smaug-bpe", Cut::kPatterns, kLlama3},
    {"glm4", Cut::kPatterns, kLlama3, false, true},
    {"chatglm-bpe", Cut::kPatterns, kLlama3},
    {"gpt-4o", Cut::kPatterns, kGpt4o},
    {"llama4", Cut::kPatterns, kGpt4o},
    {"deepseek-llm", Cut::kPatterns, kDeepSeekLlm},
    {"deepseek-coder", Cut::kPatterns, kDeepSeekCoder},
    {"deepseek-v3", Cut::kPatterns, kDeepSeekV3},
    {"tekken", Cut::kPatterns, kTekken, false, true, true},
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
    case Cut::kPatterns: {
      json steps = json::array();
      for (const std::string_view pattern : named.patterns) steps.push_back(split(pattern));
      steps.push_back(byte_level(false));
      return steps;
    }
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
