// Models in GGUF files against transformers, token by token.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>

#include "tests/golden/golden_data.h"

namespace eet {
namespace {

void check_exactly(const std::string& device) {
  const std::vector<Golden> goldens = gguf_goldens();
  REQUIRE(goldens.size() == 21);
  for (const Golden& golden : goldens) {
    CAPTURE(golden.name);
    const std::vector<Completion> completions = run_golden(golden, on_device(device, DType::kF32));
    float error = 0.0F;
    for (size_t i = 0; i < golden.rows.size(); ++i) {
      CAPTURE(i);
      const GoldenRow& row = golden.rows[i];
      const std::optional<size_t> difference = first_difference(row, completions[i].tokens);
      CHECK_EQ(difference.value_or(row.tokens.size()), row.tokens.size());
      error = std::max(error, largest_logprob_error(row, completions[i].logprobs));
    }
    CHECK_LE(error, 1e-3F);
    std::printf("  %-28s log-probabilities within %g\n", golden.name.c_str(), error);
  }
}

TEST_CASE("greedy output of GGUF models on the CPU in fp32 equals transformers'") {
  check_exactly("cpu");
}

TEST_CASE("greedy output of GGUF models on CUDA in fp32 equals transformers'") {
  if (!have_gpu()) {
    MESSAGE("no GPU: skipped");
    return;
  }
  check_exactly("cuda");
}

}  // namespace
}  // namespace eet
