#include "app/engine_factory.h"

#include "lib/engine.h"

namespace eet {

std::unique_ptr<Generator> make_engine(const ModelConfig& config, const TensorLoader& loader,
                                       const EngineOptions& options, size_t /*index*/) {
  return std::make_unique<Engine>(config, loader, options);
}

}  // namespace eet
