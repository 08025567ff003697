// Tells whether a model is still the same one.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "app/job/journal/hash.h"
#include "lib/files/regular_file.h"

namespace eet {

// The files that decide what a model answers, as they were when this was made: to be made before
// they are loaded.
class ModelFiles {
 public:
  // Configuration and weights in `model` (a directory, or a llama2.c file), and `tokenizer_files`.
  // Throws Error when one cannot be read.
  ModelFiles(const std::filesystem::path& model,
             std::span<const std::filesystem::path> tokenizer_files);

  // A hash of all their names and every byte of their contents, which are read by all cores unless
  // a cache has the hash already. Throws Error when a file was changed since this was made: then
  // nobody knows what was loaded.
  Hash128 fingerprint() const;

  std::vector<std::filesystem::path> paths() const;

 private:
  struct File {
    std::filesystem::path path;
    FileIdentity identity;
  };
  std::vector<File> files_;
};

}  // namespace eet
