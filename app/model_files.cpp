#include "app/model_files.h"

#include <CLI/Error.hpp>
#include <iostream>
#include <optional>

#include "app/job/text/model_tokenizer.h"
#include "app/sampling_defaults.h"
#include "lib/core/error.h"

namespace eet {

namespace fs = std::filesystem;

Checkpoint open_model(const std::string& path, const ConfigPolicy& policy) {
  Checkpoint checkpoint = open_checkpoint(path, policy);
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

ModelChat open_chat(const GenerateOptions& job, const Checkpoint& checkpoint) {
  return ModelChat(
      job.tokenizer.empty() ? checkpoint.tokenizer_directory : std::filesystem::path(job.tokenizer),
      job.chat);
}

FileIds files_of_flags(const GenerateOptions& job) {
  FileIds ids = {id_of_file(job.chat.template_file), id_of_file(job.config_file)};
  if (job.generation_config != "auto" && job.generation_config != "none") {
    ids.push_back(id_of_file(job.generation_config));
    ids.push_back(
        id_of_file((fs::path(job.generation_config) / "generation_config.json").string()));
  }
  return ids;
}

std::string settle_sampling(GenerateOptions& job, const ModelConfig& config) {
  if (job.format.style == RowStyle::kScore) return {};
  const bool were_good = !check(job.params, config);
  std::string sampling =
      apply_generation_config(job.params, job.set_by_flag, job.model, job.generation_config);
  if (const std::optional<RowError> error = check(job.params, config)) {
    if (!were_good) throw CLI::ValidationError("defaults for rows", error->message);
    throw Error(concat("generation_config.json: ", error->message,
                       "; --generation-config none leaves the file out"));
  }
  return sampling;
}

}  // namespace eet
