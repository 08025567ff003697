// What tokenizer_config.json, special_tokens_map.json and added_tokens.json say beside the
// vocabulary.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/json_view.h"

namespace eet {

// One of the tokens with a role. `declared` without content means that the file says null: none.
struct NamedToken {
  bool declared = false;
  std::optional<AddedToken> token;  // its id is not known here
};

struct TokenizerConfig {
  bool present = false;         // there is a tokenizer_config.json
  std::string tokenizer_class;  // without "Fast"; empty where no file tells
  std::optional<bool> add_bos_token;
  std::optional<bool> add_eos_token;
  std::optional<bool> add_prefix_space;
  std::optional<bool> legacy;  // LlamaTokenizer: a dummy prefix after every added token
  NamedToken bos;
  NamedToken eos;
  NamedToken unk;
  std::vector<AddedToken> added_tokens;    // with their ids
  std::vector<AddedToken> special_tokens;  // all that have a role, ids not known here
};

// Reads what there is in `directory`; all three files are optional. The class, where they do not
// name it, is that of config.json.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory);

// Reads the content of one tokenizer_config.json alone.
TokenizerConfig read_tokenizer_config(const JsonView& file);

// An entry of added_tokens, added_tokens_decoder or special_tokens_map: a string, or an object with
// `content` and flags. The id stays 0.
AddedToken read_added_token(const JsonView& entry);

}  // namespace eet
