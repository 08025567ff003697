// The files of a model that have fixed names.
#pragma once

#include <filesystem>

#include "app/job/file_id.h"

namespace eet {

// Those of `model`, a directory or a file: what a command writes may be none of them.
FileIds named_files_of(const std::filesystem::path& model);

}  // namespace eet
