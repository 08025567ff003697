// The small kernels at the two ends of a step.
#include "kernels/contract/host_device.h"
#include "kernels/launch.cuh"
#include "kernels/step.h"

namespace eet::kernels {
namespace {

constexpr int kThreads = 128;

int num_blocks(int num_threads) {
  return ceil_div(num_threads, kThreads);
}

__global__ void prepare_decode_kernel(int32_t* token_ids, int32_t* positions, int32_t* context_lens,
                                      const int32_t* row_slots, int num_rows,
                                      const SlotParams* params, const SlotState* states,
                                      const int32_t* prompts, int64_t prompts_stride) {
  wait_for_previous_kernel();
  const int row = blockIdx.x * kThreads + threadIdx.x;
  if (row >= num_rows) return;
  const int32_t slot = row_slots[row];
  const SlotState state = states[slot];
  if (state.status != SlotStatus::kRunning) {
    token_ids[row] = 0;
    positions[row] = -1;
    context_lens[row] = 0;
    return;
  }
  const bool in_prompt = prompts != nullptr && state.position < params[slot].prompt_len;
  token_ids[row] = in_prompt ? prompts[slot * prompts_stride + state.position] : state.next_token;
  positions[row] = state.position;
  context_lens[row] = state.position + 1;
}

__global__ void count_prompt_tokens_kernel(uint16_t* token_counts, int64_t vocab_size,
                                           const int32_t* token_ids, const int32_t* positions,
                                           const int32_t* token_slots, int num_tokens) {
  wait_for_previous_kernel();
  const int token = blockIdx.x * kThreads + threadIdx.x;
  if (token >= num_tokens || positions[token] < 0) return;
  uint16_t* count = token_counts + token_slots[token] * vocab_size + token_ids[token];
  // Several tokens of a prompt may share an entry: each thread tries until the bit is there.
  uint16_t seen = *count;
  while ((seen & kInPrompt) == 0) {
    const uint16_t before = atomicCAS(count, seen, static_cast<uint16_t>(seen | kInPrompt));
    if (before == seen) break;
    seen = before;
  }
}

}  // namespace

void prepare_decode(int32_t* token_ids, int32_t* positions, int32_t* context_lens,
                    const int32_t* row_slots, int num_rows, const SlotParams* params,
                    const SlotState* states, const int32_t* prompts, int64_t prompts_stride,
                    cudaStream_t stream) {
  if (num_rows == 0) return;
  launch_overlapped(prepare_decode_kernel, num_blocks(num_rows), kThreads, 0, stream, token_ids,
                    positions, context_lens, row_slots, num_rows, params, states, prompts,
                    prompts_stride);
}

void count_prompt_tokens(uint16_t* token_counts, int64_t vocab_size, const int32_t* token_ids,
                         const int32_t* positions, const int32_t* token_slots, int num_tokens,
                         cudaStream_t stream) {
  if (num_tokens == 0) return;
  launch_overlapped(count_prompt_tokens_kernel, num_blocks(num_tokens), kThreads, 0, stream,
                    token_counts, vocab_size, token_ids, positions, token_slots, num_tokens);
}

}  // namespace eet::kernels
