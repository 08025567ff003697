// How much of everything fits, decided before anything is allocated.
#pragma once

#include <cstdint>
#include <vector>

#include "lib/cache/page_groups.h"
#include "lib/core/memory.h"
#include "lib/device.h"
#include "lib/engine_options.h"
#include "lib/model/activations.h"

namespace eet {

// The limits a job runs with: options, with defaults filled in for the model and the device.
struct EngineShape {
  DType dtype = DType::kF32;
  int max_num_seqs = 0;
  int max_batched_tokens = 0;  // of one pass; at least max_num_seqs
  int64_t max_model_len = 0;
  PageGroups page_groups = {};
  // Of a model that turns all keys of longer rows otherwise (longrope). 0: no such border.
  int64_t short_context = 0;
};

// Throws Error when an option is out of range, or the weights alone exceed the memory.
EngineShape choose_shape(const ModelConfig& config, const EngineOptions& options,
                         const OpenDevice& device);

// Slabs of the KV cache (PageGroups): what is left of the memory's share once all else is
// allocated, but no more than max_num_seqs rows of max_model_len can use. Throws Error when that is
// none.
int64_t choose_num_slabs(const ModelConfig& config, const EngineOptions& options,
                         const EngineShape& shape, const OpenDevice& device);

// Slabs that the cache would have if nothing else used the device: no fewer than
// choose_num_slabs(). A row that needs more has an error on this machine, whatever else runs; one
// that needs more than there are now, but not more than this, must not.
int64_t slabs_without_others(const ModelConfig& config, const EngineOptions& options,
                             const EngineShape& shape, const OpenDevice& device);

// The largest passes of an engine of this shape.
PassLimits pass_limits(const EngineShape& shape);

// What an engine of this shape takes besides its KV cache, to the byte: each owner of memory says
// its own. `from_checkpoint`: the weights are loaded, not drawn.
std::vector<MemoryItem> memory_ledger(const ModelConfig& config, const EngineOptions& options,
                                      const EngineShape& shape, const OpenDevice& device,
                                      bool from_checkpoint);

// What an engine of this shape would take for a checkpoint, without taking it.
struct MemoryEstimate {
  std::vector<MemoryItem> ledger;  // as Engine::memory(), pages as an idle device holds them
  int64_t num_slabs = 0;           // of the KV cache
};

// Throws Error as choose_num_slabs does.
MemoryEstimate estimate_memory(const ModelConfig& config, const EngineOptions& options,
                               const EngineShape& shape, const OpenDevice& device,
                               bool from_checkpoint = true);

}  // namespace eet
