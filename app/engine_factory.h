// The engine of one device. A file of its own, so that a test links another engine in its place.
#pragma once

#include <cstddef>
#include <memory>

#include "lib/engine_options.h"
#include "lib/generator.h"
#include "lib/model/config.h"
#include "lib/model/weights.h"

namespace eet {

// `index`: among the engines of the job.
std::unique_ptr<Generator> make_engine(const ModelConfig& config, const TensorLoader& loader,
                                       const EngineOptions& options, size_t index);

}  // namespace eet
