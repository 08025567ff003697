// Tells whether a model is still the same one.
#pragma once

#include <filesystem>
#include <span>

#include "app/job/journal/hash.h"

namespace eet {

// A hash of the names, sizes and contents of the model's files: of its configuration and weights in
// `model` (a directory, or a llama2.c file) and of `tokenizer_files`. Of a file larger than a few
// MiB it takes the beginning, which has the names and shapes of all tensors, and pages spread
// evenly over the rest: a few milliseconds for any model. Throws Error when a file cannot be read.
Hash128 model_fingerprint(const std::filesystem::path& model,
                          std::span<const std::filesystem::path> tokenizer_files);

}  // namespace eet
