// Model files of llama2.c (https://github.com/karpathy/llama2.c, export.py): legacy and version 1.
#pragma once

#include <filesystem>

#include "weights_tools/checkpoint.h"

namespace eet {

// Opens a .bin file. The tokenizer is expected beside it. Files say nothing of token ids: BOS is 1,
// and a text ends with EOS (2) or, as the format's own programs have it, with the next BOS. Throws
// Error on anything else (version 2 is quantised and refused).
Checkpoint open_llama2c(const std::filesystem::path& path);

}  // namespace eet
