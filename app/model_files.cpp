#include "app/model_files.h"

#include <CLI/Error.hpp>
#include <iostream>
#include <optional>

#include "app/model_tokenizer.h"

namespace eet {

Checkpoint open_model(const std::string& path) {
  Checkpoint checkpoint = open_checkpoint(path);
  for (const std::string& warning : checkpoint.warnings) {
    std::cerr << "eet: warning: " << warning << '\n';
  }
  return checkpoint;
}

std::unique_ptr<Tokenizer> load_tokenizer_if_any(const std::string& named,
                                                 const std::filesystem::path& directory) {
  if (!named.empty()) return open_tokenizer(named);
  if (has_tokenizer(directory)) return open_tokenizer(directory);
  std::cerr << "eet: warning: " << directory.string()
            << ": no tokenizer (expected tokenizer.model, tokenizer.json, or vocab.json with "
               "merges.txt): rows need prompt_token_ids, and text stays empty\n";
  return nullptr;
}

void check_defaults(const SamplingParams& defaults, const ModelConfig& config) {
  if (const std::optional<RowError> error = check(defaults, config)) {
    throw CLI::ValidationError("defaults for rows", error->message);
  }
}

}  // namespace eet
