#include "tokenizer/tokenizer_json.h"

#include <algorithm>
#include <sstream>

namespace eet {
namespace {

constexpr std::string_view kQwen2SplitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Calls `visit` for a component and, where it is a Sequence, for each of `members` instead. One
// level deep, as the files are.
template <typename Visit>
void for_each_component(const JsonView& component, const char* members, Visit visit) {
  if (component.is_null()) return;
  if (component["type"].string() != "Sequence") {
    visit(component);
    return;
  }
  const JsonView list = component[members];
  for (size_t i = 0; i < list.array().size(); ++i) visit(list.at(i));
}

void refuse_type(const JsonView& component, std::string_view known) {
  component["type"].fail(known, "this tokenizer is not supported");
}

void read_normalizer(const JsonView& normalizer, ByteLevelBpeSpec& spec) {
  for_each_component(normalizer, "normalizers", [&](const JsonView& component) {
    if (component["type"].string() != "NFC") refuse_type(component, "the normalizer NFC");
    spec.nfc = true;
  });
}

SplitPattern read_split(const JsonView& split) {
  const std::string behavior = split["behavior"].string();
  const bool invert = split["invert"].boolean_or(false);
  SplitPattern::Keep keep = SplitPattern::Keep::kAll;
  if (behavior == "Removed") {
    keep = invert ? SplitPattern::Keep::kMatches : SplitPattern::Keep::kGaps;
  } else if (behavior != "Isolated") {
    split["behavior"].fail("Isolated or Removed", "this tokenizer is not supported");
  }
  const JsonView pattern = split["pattern"];
  if (!pattern["String"].is_null()) {
    return {pattern["String"].string(), SplitPattern::Syntax::kLiteral, keep, split.where()};
  }
  return {pattern["Regex"].string(), SplitPattern::Syntax::kRegex, keep, split.where()};
}

void read_pre_tokenizer(const JsonView& pre_tokenizer, ByteLevelBpeSpec& spec) {
  bool is_byte_level = false;
  for_each_component(pre_tokenizer, "pretokenizers", [&](const JsonView& component) {
    const std::string type = component["type"].string();
    // What follows ByteLevel would see its alphabet instead of the text.
    if (is_byte_level) component["type"].fail("nothing behind ByteLevel");
    if (type == "ByteLevel") {
      is_byte_level = true;
      spec.add_prefix_space = component["add_prefix_space"].boolean_or(true);
      if (spec.add_prefix_space && !spec.splits.empty()) {
        component["add_prefix_space"].fail("false behind another pre-tokenizer");
      }
      if (component["use_regex"].boolean_or(true)) {
        spec.splits.emplace_back(kGpt2SplitPattern, SplitPattern::Syntax::kRegex,
                                 SplitPattern::Keep::kAll, component.where());
      }
    } else if (type == "Split") {
      spec.splits.push_back(read_split(component));
    } else if (type == "Digits") {
      const bool individual = component["individual_digits"].boolean_or(false);
      spec.splits.emplace_back(individual ? R"(\p{N})" : R"(\p{N}+)", SplitPattern::Syntax::kRegex,
                               SplitPattern::Keep::kAll, component.where());
    } else {
      refuse_type(component, "the pre-tokenizer Split, Digits or ByteLevel");
    }
  });
  if (!is_byte_level) {
    pre_tokenizer.fail("a ByteLevel pre-tokenizer",
                       "for a SentencePiece model put its tokenizer.model beside this file");
  }
}

void read_decoder(const JsonView& decoder) {
  bool is_byte_level = false;
  for_each_component(decoder, "decoders", [&](const JsonView& component) {
    if (component["type"].string() != "ByteLevel") refuse_type(component, "the decoder ByteLevel");
    is_byte_level = true;
  });
  if (!is_byte_level) decoder.fail("the decoder ByteLevel");
}

// TemplateProcessing: `single` is a list of special tokens around one sequence.
void read_template(const JsonView& processor, ByteLevelBpeSpec& spec) {
  const JsonView single = processor["single"];
  bool behind = false;
  for (size_t i = 0; i < single.array().size(); ++i) {
    const JsonView element = single.at(i);
    if (!element["Sequence"].is_null()) {
      if (behind) element.fail("one sequence");
      behind = true;
      continue;
    }
    const std::string name = element["SpecialToken"]["id"].string();
    const JsonView ids = processor["special_tokens"][name.c_str()]["ids"];
    std::vector<int32_t>& side = behind ? spec.suffix_ids : spec.prefix_ids;
    for (size_t j = 0; j < ids.array().size(); ++j) side.push_back(ids.at(j).token_id());
  }
  if (!behind) single.fail("a sequence in the template");
}

void read_post_processor(const JsonView& post_processor, ByteLevelBpeSpec& spec) {
  for_each_component(post_processor, "processors", [&](const JsonView& component) {
    const std::string type = component["type"].string();
    if (type == "TemplateProcessing") {
      read_template(component, spec);
    } else if (type != "ByteLevel") {  // ByteLevel moves offsets only
      refuse_type(component, "the post-processor TemplateProcessing or ByteLevel");
    }
  });
}

std::unordered_map<std::string, int32_t> read_vocab(const JsonView& vocab) {
  std::unordered_map<std::string, int32_t> ids;
  ids.reserve(vocab.object().size());
  for (const auto& [token, id] : vocab.object()) {
    const bool fits = id.is_number_integer() && id >= 0 && id <= kMaxTokenId;
    if (!fits) vocab[token.c_str()].token_id();  // says what is wrong
    ids.emplace(token, id.get<int32_t>());
  }
  if (ids.empty()) vocab.fail("at least one token");
  return ids;
}

// "left right"
std::pair<std::string, std::string> split_merge(const std::string& line, const std::string& where) {
  const size_t space = line.find(' ');
  const bool is_pair = space != std::string::npos && space > 0 && space + 1 < line.size() &&
                       line.find(' ', space + 1) == std::string::npos;
  if (!is_pair) {
    throw TokenizerError(where + ": expected two tokens and a space between, got \"" +
                         line.substr(0, 80) + "\"");
  }
  return {line.substr(0, space), line.substr(space + 1)};
}

// Both styles: "left right" and ["left", "right"].
void read_merges(const JsonView& merges, ByteLevelBpeSpec& spec) {
  const auto& list = merges.array();
  spec.merges.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const nlohmann::json& merge = list[i];
    if (merge.is_string()) {
      spec.merges.push_back(split_merge(merge.get_ref<const std::string&>(), merges.at(i).where()));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      spec.merges.emplace_back(merge[0], merge[1]);
    } else {
      merges.at(i).fail("a pair of tokens");
    }
  }
}

void require_unset(const JsonView& value) {
  const bool unset = value.is_null() || (value.is_string() && value.string().empty());
  if (!unset) value.fail("null", "this tokenizer is not supported");
}

void read_model(const JsonView& model, ByteLevelBpeSpec& spec) {
  if (model["type"].string_or("BPE") != "BPE") refuse_type(model, "the model BPE");
  require_unset(model["dropout"]);
  require_unset(model["continuing_subword_prefix"]);
  require_unset(model["end_of_word_suffix"]);
  if (model["byte_fallback"].boolean_or(false)) model["byte_fallback"].fail("false");
  spec.fuse_unk = model["fuse_unk"].boolean_or(false);
  spec.ignore_merges = model["ignore_merges"].boolean_or(false);
  if (!model["unk_token"].is_null()) spec.unk_token = model["unk_token"].string();
  spec.vocab = read_vocab(model["vocab"]);
  read_merges(model["merges"], spec);
}

std::optional<int32_t> id_of(const std::string& content, const ByteLevelBpeSpec& spec) {
  for (const AddedToken& token : spec.added_tokens) {
    if (token.content == content) return token.id;
  }
  const auto found = spec.vocab.find(content);
  if (found == spec.vocab.end()) return std::nullopt;
  return found->second;
}

// The tokens with a role are added tokens, and special, wherever their text stands.
void add_special_tokens(const std::vector<AddedToken>& tokens, ByteLevelBpeSpec& spec) {
  for (AddedToken token : tokens) {
    const auto known =
        std::find_if(spec.added_tokens.begin(), spec.added_tokens.end(),
                     [&](const AddedToken& added) { return added.content == token.content; });
    if (known != spec.added_tokens.end()) {
      for (AddedToken& added : spec.added_tokens) {
        if (added.content == token.content) added.special = true;
      }
    } else if (const auto id = id_of(token.content, spec)) {
      token.id = *id;
      spec.added_tokens.push_back(std::move(token));
    }
  }
}

std::optional<int32_t> role_id(const NamedToken& named, const ByteLevelBpeSpec& spec) {
  return named.token ? id_of(named.token->content, spec) : std::nullopt;
}

// What tokenizer_config.json adds to the vocabulary's own file. Its flags win: add_bos_token where
// it is given decides about BOS, otherwise the template.
void apply_config(const TokenizerConfig& config, ByteLevelBpeSpec& spec) {
  spec.added_tokens.insert(spec.added_tokens.end(), config.added_tokens.begin(),
                           config.added_tokens.end());
  add_special_tokens(config.special_tokens, spec);
  spec.bos_id = role_id(config.bos, spec);
  spec.eos_id = role_id(config.eos, spec);
  // GPT2Tokenizer's default for both
  const bool is_gpt2 = config.tokenizer_class.empty() || config.tokenizer_class == "GPT2Tokenizer";
  const auto end_of_text = is_gpt2 ? id_of("<|endoftext|>", spec) : std::nullopt;
  if (!config.bos.declared) spec.bos_id = end_of_text;
  if (!config.eos.declared) spec.eos_id = end_of_text;

  const auto apply = [](std::optional<bool> add, std::optional<int32_t> id,
                        std::vector<int32_t>& ids) {
    if (!add || !id) return;
    ids.clear();
    if (*add) ids.push_back(*id);
  };
  apply(config.add_bos_token, spec.bos_id, spec.prefix_ids);
  apply(config.add_eos_token, spec.eos_id, spec.suffix_ids);
}

}  // namespace

bool is_byte_level(const JsonView& tokenizer_json) {
  bool found = false;
  for_each_component(tokenizer_json["decoder"], "decoders", [&](const JsonView& component) {
    found = found || component["type"].string() == "ByteLevel";
  });
  return found;
}

std::vector<AddedToken> read_added_tokens(const JsonView& tokenizer_json) {
  std::vector<AddedToken> tokens;
  const JsonView list = tokenizer_json["added_tokens"];
  if (list.is_null()) return tokens;
  for (size_t i = 0; i < list.array().size(); ++i) {
    const JsonView entry = list.at(i);
    tokens.push_back(read_added_token(entry));
    tokens.back().id = entry["id"].token_id();
  }
  return tokens;
}

ByteLevelBpeSpec read_tokenizer_json(const JsonView& tokenizer_json,
                                     const TokenizerConfig& config) {
  ByteLevelBpeSpec spec;
  spec.file = tokenizer_json.where();
  read_pre_tokenizer(tokenizer_json["pre_tokenizer"], spec);
  read_normalizer(tokenizer_json["normalizer"], spec);
  read_decoder(tokenizer_json["decoder"]);
  read_post_processor(tokenizer_json["post_processor"], spec);
  read_model(tokenizer_json["model"], spec);
  spec.added_tokens = read_added_tokens(tokenizer_json);
  apply_config(config, spec);
  return spec;
}

ByteLevelBpeSpec read_vocab_and_merges(const std::filesystem::path& vocab_path,
                                       const std::filesystem::path& merges_path,
                                       const TokenizerConfig& config) {
  ByteLevelBpeSpec spec;
  spec.file = merges_path.string();
  std::string_view pattern = kGpt2SplitPattern;
  if (config.tokenizer_class == "Qwen2Tokenizer") {
    pattern = kQwen2SplitPattern;
    spec.nfc = true;
  } else if (!config.tokenizer_class.empty() && config.tokenizer_class != "GPT2Tokenizer") {
    throw TokenizerError(vocab_path.string() + ": tokenizer_class: expected GPT2Tokenizer or " +
                         "Qwen2Tokenizer, got " + config.tokenizer_class +
                         "; vocab.json and merges.txt do not say how text is split: provide "
                         "tokenizer.json");
  }
  spec.splits.emplace_back(pattern, SplitPattern::Syntax::kRegex, SplitPattern::Keep::kAll,
                           "split pattern");
  spec.add_prefix_space = config.add_prefix_space.value_or(false);
  const nlohmann::json vocab = read_json_file(vocab_path);
  spec.vocab = read_vocab(JsonView(vocab, vocab_path.string()));

  std::istringstream lines(read_file(merges_path));
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    spec.merges.push_back(
        split_merge(line, merges_path.string() + ": line " + std::to_string(number)));
  }
  if (const auto id = id_of("<|endoftext|>", spec)) {
    AddedToken end_of_text;
    end_of_text.content = "<|endoftext|>";
    end_of_text.id = *id;
    end_of_text.special = true;
    spec.added_tokens.push_back(end_of_text);
  }
  apply_config(config, spec);
  return spec;
}

}  // namespace eet
