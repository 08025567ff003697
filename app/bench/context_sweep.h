// The EET paper's chart: what each prompt policy gains over feeding prompts token by token, for
// contexts of a fixed total length.
#pragma once

#include <string>
#include <vector>

#include "app/bench/measure.h"
#include "app/bench/models.h"
#include "app/bench/result_writer.h"
#include "app/bench/workload.h"
#include "lib/engine.h"

namespace eet {

struct SweepPlan {
  int total_tokens = 1024;  // context and generated tokens of the longest row
  std::vector<int> contexts = {1,   64,  128, 192, 256, 320, 384, 448,
                               512, 576, 640, 704, 768, 832, 896, 960};
  int batch = 4;
  double pad_fraction = 0;
  Repeats repeats;
};

// T / (T - n) for a policy that feeds n of a row's T tokens at once: the gain over `serial` if
// every pass took the same time. For a batch, with the lengths of its contexts, n of the longest
// row.
double step_count_bound(PromptPolicy policy, const std::vector<int>& contexts, int total);

// The speed-up over Faster Transformer 3.1 that the paper shows for this context (A100, batch 4,
// hidden 1024, total length 1024, fp16); 0 where it shows none.
double paper_speedup(int context);

// Runs whole requests at every context under every policy, and adds a row for each context.
void sweep_context(const BenchModel& model, const EngineOptions& engine, const SweepPlan& plan,
                   const RequestOptions& requests, ResultWriter& writer);

}  // namespace eet
