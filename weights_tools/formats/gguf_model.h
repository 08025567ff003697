// Models in GGUF files.
#pragma once

#include <filesystem>

#include "weights_tools/checkpoint.h"

namespace eet {

// Opens a .gguf file, alone or the first of a split model. The metadata is read as the config.json
// that it was made from; keys of unknown meaning are settled as there. Packed tensors are unpacked
// by the loader, to fp32. Throws Error, also where the file holds no text model (an adapter, a
// vocabulary) or one of an architecture that is not supported.
Checkpoint open_gguf(const std::filesystem::path& path, const ConfigPolicy& policy);

}  // namespace eet
