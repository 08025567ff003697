// From the classes' constructors (models/*/tokenization_*.py) and TOKENIZER_MAPPING_NAMES of
// transformers 5.17, those of decoders.
#include "tokenizer/class_defaults.h"

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

constexpr std::pair<std::string_view, std::string_view> kModelClasses[] = {
    {"code_llama", "CodeLlamaTokenizer"},
    {"codegen", "GPT2Tokenizer"},
    {"cohere", "CohereTokenizer"},
    {"cohere2", "CohereTokenizer"},
    {"gemma", "GemmaTokenizer"},
    {"gemma2", "GemmaTokenizer"},
    {"gemma3", "GemmaTokenizer"},
    {"gemma3_text", "GemmaTokenizer"},
    {"gpt2", "GPT2Tokenizer"},
    {"gpt_neo", "GPT2Tokenizer"},
    {"gpt_neox", "GPTNeoXTokenizer"},
    {"gptj", "GPT2Tokenizer"},
    {"mpt", "GPTNeoXTokenizer"},
    {"olmo", "GPTNeoXTokenizer"},
    {"opt", "GPT2Tokenizer"},
    {"phi", "GPT2Tokenizer"},
    {"qwen2", "Qwen2Tokenizer"},
    {"qwen2_moe", "Qwen2Tokenizer"},
    {"qwen3", "Qwen2Tokenizer"},
    {"qwen3_moe", "Qwen2Tokenizer"},
    {"starcoder2", "GPT2Tokenizer"},
    {"xglm", "XGLMTokenizer"},
};

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

std::string_view default_tokenizer_class(std::string_view model_type) {
  for (const auto& [type, name] : kModelClasses) {
    if (type == model_type) return name;
  }
  return "";
}

}  // namespace eet
