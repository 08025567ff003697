// Writing a model in the form that loads by mmap without transformation.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weights_tools/checkpoint.h"

namespace eet {

struct ConvertOptions {
  std::optional<DType> dtype;                          // nothing: every tensor keeps its own
  bool force = false;                                  // replace a model directory that exists
  std::vector<std::filesystem::path> tokenizer_files;  // copied beside the weights
  std::map<std::string, std::string> new_files;  // written beside the weights: name and contents
  std::filesystem::path source;  // what the checkpoint was opened from: never replaced or removed
  std::function<bool()> interrupted;  // asked now and then; true gives up. May be empty
};

// Writes `checkpoint` to the directory `destination`: model.safetensors (canonical names and fused
// layout), eet.json and the tokenizer files. Everything is written to a directory beside it, made
// durable, and renamed at the end: `destination` is complete or untouched, whatever happens. Holds
// one tensor at a time. Throws Error when `destination` exists without `force`, on a full disk, on
// an fp16 overflow (naming the tensor), and when interrupted.
void convert(const Checkpoint& checkpoint, const std::filesystem::path& destination,
             const ConvertOptions& options);

}  // namespace eet
