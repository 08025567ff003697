// What a user may say about how the engine runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/core/dtype.h"
#include "lib/request.h"

namespace eet {

// Batches that the default sort window holds.
inline constexpr size_t kSortWindowBatches = 16;

struct EngineOptions {
  std::string device = "auto";  // auto, cpu, cuda, cuda:N
  std::optional<DType> dtype;   // nothing: the checkpoint's on CUDA (fp32 as bf16), fp32 on the CPU
  int max_num_seqs = 0;         // rows that run together; 0: chosen from the memory
  int max_num_batched_tokens = 0;  // tokens of one forward pass; 0: the device's default
  int64_t max_model_len = 0;       // prompt + generated tokens of a row; 0: the model's positions
  double gpu_memory_utilization = 0.9;  // share of the device's memory that may be used
  int num_threads = 0;                  // 0: all cores of this process
  int engines_on_cpu = 1;               // that share the host's memory for their KV caches
  Schedule schedule = Schedule::kRefill;
  PromptPolicy prompt_policy = PromptPolicy::kPacked;
  bool share_prefixes = true;  // prompts' common beginnings are computed and stored once
  int sort_window = 0;  // rows sorted by length together; 0: kSortWindowBatches * max_num_seqs
  uint64_t seed = 0;

  // The sort window of an engine that runs `num_seqs` rows together.
  size_t rows_sorted_together(size_t num_seqs) const {
    return sort_window > 0 ? static_cast<size_t>(sort_window) : kSortWindowBatches * num_seqs;
  }
};

}  // namespace eet
