// From the classes' constructors (models/*/tokenization_*.py) and TOKENIZER_MAPPING_NAMES of
// transformers 5.17, those of decoders.
#include "tokenizer/class_defaults.h"

#include "tokenizer/regex/known_patterns.h"

namespace eet {
namespace {

struct ClassTokens {
  std::string_view tokenizer_class;
  std::string_view bos;  // empty: none
  std::string_view eos;
  std::string_view unk;
  std::string_view pad;
};

constexpr std::string_view kEndOfText = "<|endoftext|>";

constexpr ClassTokens kClassTokens[] = {
    {"CodeGenTokenizer", kEndOfText, kEndOfText, kEndOfText, ""},
    {"CodeLlamaTokenizer", "<s>", "</s>", "<unk>", ""},
    {"CohereTokenizer", "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<UNK>", "<PAD>"},
    {"GPT2Tokenizer", kEndOfText, kEndOfText, kEndOfText, ""},
    {"GPTNeoXTokenizer", kEndOfText, kEndOfText, kEndOfText, "<|padding|>"},
    {"GemmaTokenizer", "<bos>", "<eos>", "<unk>", "<pad>"},
    {"LlamaTokenizer", "<s>", "</s>", "<unk>", ""},
    {"Qwen2Tokenizer", "", kEndOfText, kEndOfText, kEndOfText},
    {"Qwen3_5Tokenizer", "", kEndOfText, kEndOfText, kEndOfText},
    {"XGLMTokenizer", "<s>", "</s>", "<unk>", "<pad>"},
};

constexpr std::string_view kGeneralClass = "TokenizersBackend";

constexpr std::pair<std::string_view, std::string_view> kModelClasses[] = {
    {"arctic", kGeneralClass},
    {"code_llama", "CodeLlamaTokenizer"},
    {"codegen", "GPT2Tokenizer"},
    {"cohere", "CohereTokenizer"},
    {"cohere2", "CohereTokenizer"},
    {"deepseek_v2", kGeneralClass},
    {"deepseek_v3", kGeneralClass},
    {"deepseek_v32", kGeneralClass},
    {"ernie4_5", kGeneralClass},
    {"ernie4_5_moe", kGeneralClass},
    {"flex_olmo", kGeneralClass},
    {"gemma", "GemmaTokenizer"},
    {"gemma2", "GemmaTokenizer"},
    {"gemma3", "GemmaTokenizer"},
    {"gemma3_text", "GemmaTokenizer"},
    {"glm", kGeneralClass},
    {"glm4", kGeneralClass},
    {"glm4_moe", kGeneralClass},
    {"gpt2", "GPT2Tokenizer"},
    {"gpt_bigcode", kGeneralClass},
    {"gpt_neo", "GPT2Tokenizer"},
    {"gpt_neox", "GPTNeoXTokenizer"},
    {"gptj", "GPT2Tokenizer"},
    {"granite", kGeneralClass},
    {"granitemoe", kGeneralClass},
    {"granitemoehybrid", kGeneralClass},
    {"granitemoeshared", kGeneralClass},
    {"hyperclovax", kGeneralClass},
    {"internlm2", kGeneralClass},
    {"jamba", kGeneralClass},
    {"kimi_linear", kGeneralClass},
    {"minicpm3", kGeneralClass},
    {"minimax_m2", kGeneralClass},
    {"ministral", kGeneralClass},
    {"ministral3", kGeneralClass},
    {"mistral", kGeneralClass},
    {"mistral3", kGeneralClass},
    {"mixtral", kGeneralClass},
    {"mpt", "GPTNeoXTokenizer"},
    {"nemotron", kGeneralClass},
    {"olmo", "GPTNeoXTokenizer"},
    {"olmo2", kGeneralClass},
    {"olmo3", kGeneralClass},
    {"olmo_hybrid", kGeneralClass},
    {"opt", "GPT2Tokenizer"},
    {"persimmon", kGeneralClass},
    {"phi", "GPT2Tokenizer"},
    {"phi3", kGeneralClass},
    {"phimoe", kGeneralClass},
    {"qwen2", "Qwen2Tokenizer"},
    {"qwen2_moe", "Qwen2Tokenizer"},
    {"qwen3", "Qwen2Tokenizer"},
    {"qwen3_5", "Qwen3_5Tokenizer"},
    {"qwen3_moe", "Qwen2Tokenizer"},
    {"stablelm", kGeneralClass},
    {"starcoder2", "GPT2Tokenizer"},
    {"step3p5", kGeneralClass},
    {"xglm", "XGLMTokenizer"},
};

constexpr const char* kSpaceSymbol = "\u2581";

nlohmann::json byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"use_regex", use_regex}};
}

nlohmann::json llama_pipeline(const TokenizerConfig& config) {
  const bool prepends = config.add_prefix_space.value_or(true);
  const char* const scheme = config.legacy.value_or(false) ? "always" : "first";
  nlohmann::json decoders = {
      {{"type", "Replace"}, {"pattern", {{"String", kSpaceSymbol}}}, {"content", " "}},
      {{"type", "ByteFallback"}},
      {{"type", "Fuse"}}};
  if (prepends) {
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "Metaspace"},
            {"replacement", kSpaceSymbol},
            {"prepend_scheme", prepends ? scheme : "never"},
            {"split", false}}},
          {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}}};
}

nlohmann::json qwen2_pipeline(bool add_prefix_space) {
  const nlohmann::json split = {{"type", "Split"},
                                {"pattern", {{"Regex", std::string(kQwen2Pattern)}}},
                                {"behavior", "Isolated"},
                                {"invert", false}};
  return {{"normalizer", {{"type", "NFC"}}},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers", {split, byte_level(add_prefix_space, /*use_regex=*/false)}}}},
          {"decoder", {{"type", "ByteLevel"}}}};
}

}  // namespace

std::vector<std::pair<std::string, std::string>> default_special_tokens(
    std::string_view tokenizer_class) {
  std::vector<std::pair<std::string, std::string>> tokens;
  for (const ClassTokens& known : kClassTokens) {
    if (known.tokenizer_class != tokenizer_class) continue;
    const auto add = [&](const char* role, std::string_view content) {
      if (!content.empty()) tokens.emplace_back(role, content);
    };
    add("bos_token", known.bos);
    add("eos_token", known.eos);
    add("unk_token", known.unk);
    add("pad_token", known.pad);
  }
  return tokens;
}

std::string_view reference_class(std::string_view named_class, std::string_view model_type) {
  for (const auto& [type, registered] : kModelClasses) {
    if (type != model_type) continue;
    const bool overrules = registered == kGeneralClass || type == "qwen2";
    return named_class.empty() || overrules ? registered : named_class;
  }
  return named_class;
}

nlohmann::json class_pipeline(const TokenizerConfig& config) {
  const bool add_prefix_space = config.add_prefix_space.value_or(false);
  if (config.tokenizer_class == "LlamaTokenizer") return llama_pipeline(config);
  if (config.tokenizer_class == "Qwen2Tokenizer") return qwen2_pipeline(add_prefix_space);
  if (config.tokenizer_class != "GPT2Tokenizer") return nullptr;
  return {{"normalizer", nullptr},
          {"pre_tokenizer", byte_level(add_prefix_space, /*use_regex=*/true)},
          {"decoder", {{"type", "ByteLevel"}}}};
}

}  // namespace eet
