// The files beside a vocabulary: tokenizer_config.json, special_tokens_map.json and
// added_tokens.json, read together.
#include "tests/fuzz/memory_directory.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace eet;
  static const MemoryDirectory directory;
  std::string_view rest = FuzzInput(data, size).rest();
  for (const char* name :
       {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    const size_t end = rest.find('\0');
    directory.write(name, rest.substr(0, end));
    rest = end == std::string_view::npos ? "{}" : rest.substr(end + 1);
  }
  try {
    const TokenizerConfig config = read_tokenizer_config(directory.path());
    for (const AddedToken& token : config.added_tokens) expect(token.id >= 0, "an id of a token");
  } catch (const TokenizerError&) {
  }
  try {
    ChatTemplate::load(directory.path());
  } catch (const TokenizerError&) {
  }
  return 0;
}
