// What the commands that run a model read of its files before its weights.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/job/file_id.h"
#include "app/options.h"
#include "tokenizer/tokenizer.h"
#include "weights_tools/checkpoint.h"

namespace eet {

// Opens the checkpoint and prints its warnings. Throws Error.
Checkpoint open_model(const std::string& path, const ConfigPolicy& policy);

// The tokenizer at `named` or, where that is empty, in `directory`. A model without tokenizer files
// still serves rows of token ids: null, with a warning. Broken files are fatal, and so are missing
// ones where the user named them.
std::unique_ptr<Tokenizer> load_tokenizer_if_any(const std::string& named,
                                                 const std::filesystem::path& directory);

// The chat template that the job's flags or its model's files have. Throws Error.
ModelChat open_chat(const GenerateOptions& job, const Checkpoint& checkpoint);

// The files that flags of the job name: what it writes may be none of them.
FileIds files_of_flags(const GenerateOptions& job);

// Completes job.params by generation_config.json, and returns what was set and by whom, for people.
// Throws CLI::ValidationError when what rows are given by default is out of its range.
std::string settle_sampling(GenerateOptions& job, const ModelConfig& config);

}  // namespace eet
