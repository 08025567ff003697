#include "lib/memory_plan.h"

#include <algorithm>

#include "lib/cache/kv_cache.h"
#include "lib/cache/page_pool.h"
#include "lib/core/error.h"
#include "lib/model/weights.h"
#include "lib/runner/pass_inputs.h"
#include "lib/sampling/sampler.h"
#include "lib/sampling/scorer.h"
#include "lib/sampling/top_logprobs.h"
#include "lib/schedule/page_needs.h"

namespace eet {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

// Defaults. On CUDA, 256 rows are near the batch where decoding stops being bound by the weights'
// bytes (about 240 on an H100), and 16384 tokens saturate the matrix units of every shape (GPT-2
// 124M, 128 x 512: 32.5 ms, with 8192 34.8 ms, with 2048 48.6 ms).
constexpr int kCudaNumSeqs = 256;
constexpr int kCudaBatchedTokens = 16384;
constexpr int kCpuNumSeqs = 32;
constexpr int kCpuBatchedTokens = 1024;

void require_range(const char* flag, double value, double low, double high) {
  require(value >= low && value <= high, flag, ": expected ", low, " to ", high, ", got ", value);
}

DType choose_dtype(const ModelConfig& config, const EngineOptions& options, bool on_cuda) {
  if (!on_cuda) {
    require(!options.dtype || *options.dtype == DType::kF32, "--dtype ",
            dtype_name(options.dtype.value_or(DType::kF32)),
            ": the CPU computes in fp32; use --dtype fp32 or auto");
    return DType::kF32;
  }
  if (options.dtype) return *options.dtype;
  return config.dtype == DType::kF16 ? DType::kF16 : DType::kBF16;
}

}  // namespace

EngineShape choose_shape(const ModelConfig& config, const EngineOptions& options,
                         const OpenDevice& device) {
  const bool on_cuda = device.context().on_cuda();
  require_range("--max-num-seqs", options.max_num_seqs, 0, 4096);
  require_range("--max-num-batched-tokens", options.max_num_batched_tokens, 0, 1 << 20);
  require_range("--gpu-memory-utilization", options.gpu_memory_utilization, 0.01, 1.0);
  const int64_t positions = std::min(config.max_position_embeddings, kMaxContext);
  require(options.max_model_len >= 0 && options.max_model_len <= positions,
          "--max-model-len: expected at most ", positions, " of the model's ",
          config.max_position_embeddings, " positions, got ", options.max_model_len);

  EngineShape shape;
  shape.dtype = choose_dtype(config, options, on_cuda);
  shape.max_num_seqs = options.max_num_seqs > 0 ? options.max_num_seqs
                       : on_cuda                ? kCudaNumSeqs
                                                : kCpuNumSeqs;
  shape.max_batched_tokens = options.max_num_batched_tokens > 0 ? options.max_num_batched_tokens
                             : on_cuda                          ? kCudaBatchedTokens
                                                                : kCpuBatchedTokens;
  shape.max_batched_tokens = std::max(shape.max_batched_tokens, shape.max_num_seqs);
  shape.max_model_len = options.max_model_len > 0 ? options.max_model_len : positions;
  const RopeConfig* longrope = config.longrope();
  if (longrope != nullptr && longrope->original_max_position_embeddings < shape.max_model_len) {
    shape.short_context = longrope->original_max_position_embeddings;
  }

  shape.page_groups = page_groups(config, shape.max_model_len);
  const int64_t bytes = weight_bytes(device.context(), config, shape.dtype, shape.max_model_len,
                                     /*from_checkpoint=*/true);
  const int64_t free_bytes = device.memory().free_bytes;
  require(bytes < free_bytes, "not enough memory on ", device.description(), ": the weights need ",
          bytes / kMiB, " MiB in ", dtype_name(shape.dtype), ", ", free_bytes / kMiB,
          " MiB are free; use a 16-bit --dtype or a larger device");
  return shape;
}

namespace {

// The share of the host's memory that the KV cache gets, whatever else runs there.
int64_t host_kv_budget(const ModelConfig& config, const EngineOptions& options,
                       const EngineShape& shape, const OpenDevice& device) {
  const int64_t weights = weight_bytes(device.context(), config, shape.dtype, shape.max_model_len,
                                       /*from_checkpoint=*/true);
  return (device.memory().total_bytes / options.engines_on_cpu - weights) / 2;
}

// Slabs that max_num_seqs rows of max_model_len positions can use. In a group with a window each
// row has a ring of pages; beside these are the prompts that a pass feeds, and the one that is kept
// for the rows after it.
int64_t useful_slabs(const EngineShape& shape) {
  const int64_t of_row = PagePool::pages_for(shape.max_model_len);
  std::vector<int64_t> pages;
  for (const PageGroup& group : shape.page_groups.groups) {
    const PageRule rule = page_rule(group.window, shape.max_batched_tokens);
    int64_t of_rows = shape.max_num_seqs * of_row;
    if (rule.window > 0) {
      of_rows = std::min(of_rows, shape.max_num_seqs * rule.ring + 2 * rule.prompt_ring);
    }
    pages.push_back(of_rows);
  }
  return shape.page_groups.slabs_for(pages);
}

// As choose_num_slabs, where `free_bytes` of the device's memory are left.
int64_t slabs_that_fit(const ModelConfig& config, const EngineOptions& options,
                       const EngineShape& shape, const OpenDevice& device, int64_t free_bytes) {
  const OpenDevice::Memory memory = {free_bytes, device.memory().total_bytes};
  const auto share = static_cast<int64_t>(options.gpu_memory_utilization *
                                          static_cast<double>(memory.total_bytes));
  const int64_t used = memory.total_bytes - memory.free_bytes;
  const int64_t slab_bytes = KvCache::slab_bytes(config, shape.dtype, shape.page_groups);
  // The host's memory is not ours alone: half of what the weights leave of all there is, which
  // other programs do not change, and no more than half of what is free.
  const int64_t host_budget = std::min(host_kv_budget(config, options, shape, device),
                                       free_bytes / 2 / options.engines_on_cpu);
  const int64_t budget = device.context().on_cuda() ? share - used : host_budget;
  const int64_t slabs = std::min(useful_slabs(shape), budget / slab_bytes);
  require(slabs >= 1, "not enough memory on ", device.description(),
          " for the KV cache: one page needs ", slab_bytes / kMiB, " MiB, ", budget / kMiB,
          " MiB are left of ", memory.total_bytes / kMiB,
          "; lower --max-num-batched-tokens or --max-num-seqs, or raise --gpu-memory-utilization");
  return slabs;
}

}  // namespace

int64_t choose_num_slabs(const ModelConfig& config, const EngineOptions& options,
                         const EngineShape& shape, const OpenDevice& device) {
  return slabs_that_fit(config, options, shape, device, device.memory().free_bytes);
}

int64_t slabs_without_others(const ModelConfig& config, const EngineOptions& options,
                             const EngineShape& shape, const OpenDevice& device) {
  const OpenDevice::Memory memory = device.memory();
  const int64_t weights = weight_bytes(device.context(), config, shape.dtype, shape.max_model_len,
                                       /*from_checkpoint=*/true);
  const int64_t budget = device.context().on_cuda()
                             ? static_cast<int64_t>(options.gpu_memory_utilization *
                                                    static_cast<double>(memory.total_bytes)) -
                                   weights
                             : host_kv_budget(config, options, shape, device);
  return std::min(useful_slabs(shape),
                  budget / KvCache::slab_bytes(config, shape.dtype, shape.page_groups));
}

PassLimits pass_limits(const EngineShape& shape) {
  return {.dtype = shape.dtype,
          .max_tokens = shape.max_batched_tokens,
          .max_rows = shape.max_num_seqs,
          .max_model_len = shape.max_model_len};
}

std::vector<MemoryItem> memory_ledger(const ModelConfig& config, const EngineOptions& options,
                                      const EngineShape& shape, const OpenDevice& device,
                                      bool from_checkpoint) {
  const Context& ctx = device.context();
  const int rows = shape.max_num_seqs;
  std::vector<MemoryItem> ledger = {
      {"weights", weight_bytes(ctx, config, shape.dtype, shape.max_model_len, from_checkpoint)}};
  for (MemoryItem& item : ActivationMemory::memory(ctx, config, pass_limits(shape))) {
    ledger.push_back(std::move(item));
  }
  ledger.push_back(PassInputs::memory(shape.max_batched_tokens, rows, shape.max_model_len,
                                      shape.page_groups.groups.size()));
  ledger.push_back({"sampling and scoring",
                    Sampler::memory_bytes(ctx, config.vocab_size, rows, shape.max_model_len,
                                          replays_prompts(options.prompt_policy)) +
                        Scorer::memory_bytes(shape.max_batched_tokens) +
                        TopLogprobs::memory_bytes(rows)});
  if (const int64_t bytes = device.workspace_bytes()) {
    ledger.push_back({"matrix product workspace", bytes});
  }
  return ledger;
}

MemoryEstimate estimate_memory(const ModelConfig& config, const EngineOptions& options,
                               const EngineShape& shape, const OpenDevice& device,
                               bool from_checkpoint) {
  MemoryEstimate estimate;
  estimate.ledger = memory_ledger(config, options, shape, device, from_checkpoint);
  int64_t free_bytes = device.memory().free_bytes;
  for (const MemoryItem& item : estimate.ledger) free_bytes -= item.bytes;
  estimate.num_slabs = slabs_that_fit(config, options, shape, device, free_bytes);
  estimate.ledger.push_back(
      KvCache::memory(config, shape.dtype, shape.page_groups, estimate.num_slabs));
  return estimate;
}

}  // namespace eet
