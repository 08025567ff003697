#include "tokenizer/tokenizer_json.h"

#include <sstream>
#include <unordered_map>
#include <utility>

#include "tokenizer/class_defaults.h"
#include "tokenizer/models/bpe.h"

namespace eet {
namespace {

// Gathers the added tokens of several files, and numbers them as the reference does.
class TokenCollector {
 public:
  TokenCollector(const Vocabulary& vocabulary, std::string file)
      : vocabulary_(vocabulary), file_(std::move(file)), next_id_(vocabulary.count()) {}

  // A token whose file says which id it has. The reference goes by the vocabulary, then counts on
  // from there, whatever the file says.
  void add(const AddedToken& token) {
    if (token.content.empty()) return;
    const std::optional<int32_t> known = find(token.content);
    const int32_t id = known ? *known : next_id_++;
    if (id != token.id) {
      throw TokenizerError(file_ + ": added token \"" + token.content + "\": expected " +
                           (known ? "the vocabulary's id " : "the next id, ") + std::to_string(id) +
                           ", got " + std::to_string(token.id));
    }
    keep(token);
  }

  // A token with a role, which is special wherever its text stands, if it has an id at all.
  void add_special(AddedToken token) {
    const std::optional<int32_t> id = find(token.content);
    if (!id || token.content.empty()) return;
    if (const auto added = places_.find(*id); added != places_.end()) {
      token = tokens_[added->second];
    }
    token.id = *id;
    token.special = true;
    keep(std::move(token));
  }

  std::optional<int32_t> find(const std::string& content) const {
    const auto added = ids_.find(content);
    return added != ids_.end() ? std::optional(added->second) : vocabulary_.find(content);
  }

  std::vector<AddedToken> take() { return std::move(tokens_); }

 private:
  void keep(AddedToken token) {
    ids_.emplace(token.content, token.id);
    places_[token.id] = tokens_.size();
    tokens_.push_back(std::move(token));
  }

  const Vocabulary& vocabulary_;
  std::string file_;
  int32_t next_id_;
  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_map<int32_t, size_t> places_;  // of an id's last entry in tokens_
  std::vector<AddedToken> tokens_;
};

// The tokens of tokenizer_config.json and the files beside it, and what the class adds to them.
void finish_tokens(const TokenizerConfig& config, TokenCollector& collector, PipelineSpec& spec) {
  for (const AddedToken& token : config.added_tokens) collector.add(token);
  for (const AddedToken& token : config.special_tokens) collector.add_special(token);

  const auto id_of_role = [&](const NamedToken& named, const char* role) -> std::optional<int32_t> {
    if (named.token) return collector.find(named.token->content);
    if (named.declared) return std::nullopt;
    for (const auto& [name, content] : default_special_tokens(config.tokenizer_class)) {
      if (name == role) return collector.find(content);
    }
    // A vocabulary without any word about it is most likely GPT-2's.
    return config.tokenizer_class.empty() ? collector.find("<|endoftext|>") : std::nullopt;
  };
  spec.bos_id = id_of_role(config.bos, "bos_token");
  spec.eos_id = id_of_role(config.eos, "eos_token");
  spec.added_tokens = collector.take();
}

std::vector<std::pair<std::string, std::string>> read_merge_lines(
    const std::filesystem::path& path) {
  std::vector<std::pair<std::string, std::string>> merges;
  std::istringstream lines(read_file(path));
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    merges.push_back(split_merge(line, path.string() + ": line " + std::to_string(number)));
  }
  return merges;
}

// What becomes of text before the model, and of tokens behind it.
void read_text_steps(const JsonView& pipeline, PipelineSpec& spec) {
  spec.normalizers = read_normalizers(pipeline["normalizer"]);
  spec.pre_tokenizers = read_pre_tokenizers(pipeline["pre_tokenizer"]);
  spec.decoders = Decoders(pipeline["decoder"]);
}

}  // namespace

PipelineSpec read_tokenizer_json(const JsonView& tokenizer_json, const TokenizerConfig& config) {
  PipelineSpec spec;
  spec.file = tokenizer_json.where();
  read_text_steps(tokenizer_json, spec);
  const bool is_sentencepiece = tokenizer_json["model"]["byte_fallback"].boolean_or(false);
  if (is_sentencepiece && config.tokenizer_class == "LlamaTokenizer") {
    // transformers 5 leaves to this class what it does to text, whatever the file says.
    const nlohmann::json pipeline = class_pipeline(config);
    read_text_steps(JsonView(pipeline, config.tokenizer_class), spec);
  }
  spec.post_processor = PostProcessor(tokenizer_json["post_processor"]);
  spec.model = read_model(tokenizer_json["model"]);
  TokenCollector collector(spec.model->vocabulary(), spec.file);
  const JsonView added = tokenizer_json["added_tokens"];
  for (size_t i = 0; !added.is_null() && i < added.array().size(); ++i) {
    const JsonView entry = added.at(i);
    AddedToken token = read_added_token(entry);
    token.id = entry["id"].token_id();
    collector.add(token);
  }
  finish_tokens(config, collector, spec);
  return spec;
}

PipelineSpec read_vocab_and_merges(const std::filesystem::path& vocab_path,
                                   const std::filesystem::path& merges_path,
                                   const TokenizerConfig& config) {
  PipelineSpec spec;
  spec.file = merges_path.string();
  TokenizerConfig with_class = config;
  if (config.tokenizer_class.empty()) with_class.tokenizer_class = "GPT2Tokenizer";
  const nlohmann::json pipeline = class_pipeline(with_class);
  if (pipeline.is_null() || with_class.tokenizer_class == "LlamaTokenizer") {
    throw TokenizerError(vocab_path.string() + ": tokenizer_class: expected GPT2Tokenizer or " +
                         "Qwen2Tokenizer, got " + config.tokenizer_class +
                         "; vocab.json and merges.txt do not say how text is split: provide "
                         "tokenizer.json");
  }
  read_text_steps(JsonView(pipeline, with_class.tokenizer_class), spec);
  const nlohmann::json vocab = read_json_file(vocab_path);
  BpeOptions options;
  options.file = spec.file;
  options.merges = read_merge_lines(merges_path);
  spec.model =
      make_bpe(Vocabulary(read_vocab(JsonView(vocab, vocab_path.string())), vocab_path.string()),
               std::move(options));

  TokenCollector collector(spec.model->vocabulary(), spec.file);
  AddedToken end_of_text;
  end_of_text.content = "<|endoftext|>";
  collector.add_special(end_of_text);
  finish_tokens(config, collector, spec);
  const auto ids_if = [](std::optional<bool> wanted, std::optional<int32_t> id) {
    return wanted.value_or(false) && id ? std::vector<int32_t>{*id} : std::vector<int32_t>{};
  };
  spec.post_processor = PostProcessor(ids_if(config.add_bos_token, spec.bos_id),
                                      ids_if(config.add_eos_token, spec.eos_id));
  return spec;
}

}  // namespace eet
