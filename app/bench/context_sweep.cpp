#include "app/bench/context_sweep.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "app/bench/measure.h"
#include "lib/core/error.h"

namespace eet {
namespace {

// Figures of EET 2021 (arXiv 2104.12470).
constexpr std::array<double, 16> kPaperSpeedups = {1.55, 1.77, 1.62, 1.75, 1.98, 2.13, 2.24, 2.31,
                                                   2.58, 2.84, 3.45, 3.80, 4.72, 6.02, 8.16, 15.25};
constexpr int kPaperStep = 64;
constexpr int kPaperTotal = 1024;

struct Policy {
  const char* name;
  PromptPolicy policy;
};
constexpr std::array<Policy, 4> kPolicies = {{{"packed", PromptPolicy::kPacked},
                                              {"padded", PromptPolicy::kPadded},
                                              {"min-length", PromptPolicy::kMinLength},
                                              {"serial", PromptPolicy::kSerial}}};

std::string printed(double value, const char* format = "%.2f") {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

BenchTest sweep_test(const SweepPlan& plan, int context) {
  TestPlan tests;
  tests.pairs = {{context, plan.total_tokens - context}};
  tests.batches = {plan.batch};
  tests.pad_fraction = plan.pad_fraction;
  return plan_tests(tests).front();
}

// Median wall seconds of each context.
std::vector<double> policy_seconds(const BenchModel& model, EngineOptions options,
                                   const SweepPlan& plan, const RequestOptions& requests,
                                   const Policy& policy) {
  options.prompt_policy = policy.policy;
  Engine engine(model.config, model.loader, options);
  std::vector<double> seconds;
  seconds.reserve(plan.contexts.size());
  for (const int context : plan.contexts) {
    const Measurement measurement =
        measure(engine, model.config.vocab_size, sweep_test(plan, context), requests, plan.repeats);
    seconds.push_back(measurement.median().wall_seconds);
    std::cerr << "eet bench: " << model.name << ' ' << policy.name << " context " << context << ": "
              << printed(seconds.back(), "%.4f") << " s\n";
  }
  return seconds;
}

using Seconds = std::array<double, kPolicies.size()>;

ResultRow sweep_row(const std::string& model, const SweepPlan& plan, int context,
                    const Seconds& seconds) {
  const std::vector<int> lengths = ragged_lengths(plan.batch, context, plan.pad_fraction);
  ResultRow row;
  row.cells = {{"model", model}, {"context", std::to_string(context)}};
  row.record = {{"model", model},
                {"context", context},
                {"total", plan.total_tokens},
                {"n_batch", plan.batch},
                {"pad_fraction", plan.pad_fraction}};
  for (size_t p = 0; p < kPolicies.size(); ++p) {
    const std::string name = kPolicies[p].name;
    const double speedup = seconds.back() / seconds[p];
    const double bound = step_count_bound(kPolicies[p].policy, lengths, plan.total_tokens);
    row.cells.emplace_back(name + " s", printed(seconds[p], "%.4f"));
    row.cells.emplace_back("x serial", printed(speedup));
    row.cells.emplace_back("bound", printed(bound));
    row.record[name + "_seconds"] = seconds[p];
    row.record[name + "_speedup"] = speedup;
    row.record[name + "_bound"] = bound;
  }
  const double paper = plan.total_tokens == kPaperTotal ? paper_speedup(context) : 0;
  row.cells.emplace_back("paper", paper > 0 ? printed(paper) : "");
  row.record["paper_speedup"] = paper > 0 ? nlohmann::ordered_json(paper) : nullptr;
  return row;
}

}  // namespace

double step_count_bound(PromptPolicy policy, const std::vector<int>& contexts, int total) {
  const auto [shortest, longest] = std::minmax_element(contexts.begin(), contexts.end());
  int fed_at_once = *longest;
  if (policy == PromptPolicy::kMinLength) fed_at_once = *shortest;
  if (policy == PromptPolicy::kSerial) fed_at_once = 0;
  return static_cast<double>(total) / (total - fed_at_once);
}

double paper_speedup(int context) {
  if (context == 1) return kPaperSpeedups[0];
  const int index = context / kPaperStep;
  const bool shown = context % kPaperStep == 0 && index >= 1 && index < std::ssize(kPaperSpeedups);
  return shown ? kPaperSpeedups[static_cast<size_t>(index)] : 0;
}

void sweep_context(const BenchModel& model, const EngineOptions& engine, const SweepPlan& plan,
                   const RequestOptions& requests, ResultWriter& writer) {
  for (const int context : plan.contexts) {
    require(context >= 1 && context < plan.total_tokens, "--contexts: expected 1 to ",
            plan.total_tokens - 1, " of --total-length ", plan.total_tokens, ", got ", context);
  }
  EngineOptions options = engine;
  options.max_num_seqs = plan.batch;
  options.max_model_len = plan.total_tokens;

  std::array<std::vector<double>, kPolicies.size()> seconds;  // [policy][context]
  for (size_t p = 0; p < kPolicies.size(); ++p) {
    seconds[p] = policy_seconds(model, options, plan, requests, kPolicies[p]);
  }
  for (size_t c = 0; c < plan.contexts.size(); ++c) {
    Seconds of_context{};
    for (size_t p = 0; p < kPolicies.size(); ++p) of_context[p] = seconds[p][c];
    writer.add(sweep_row(model.name, plan, plan.contexts[c], of_context));
  }
}

}  // namespace eet
