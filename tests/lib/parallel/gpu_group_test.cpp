// Groups of engines on several GPUs. A program of its own: a GPU that has failed is lost to it.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "lib/device.h"
#include "lib/engine.h"
#include "lib/ops/ops.h"
#include "lib/parallel/engine_group.h"
#include "tests/lib/small_engine.h"

namespace eet::test {
namespace {

bool has_gpu(int index) {
  try {
    const OpenDevice device(concat("cuda:", index), 1);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Writes where there is no memory: every later call to the device fails.
void break_gpu(int index) {
  const OpenDevice device(concat("cuda:", index), 1);
  const Buffer memory = allocate(device.context(), sizeof(float), "a number");
  constexpr int64_t kFar = int64_t{1} << 44;
  ops::fill_normal(device.context(), TensorView(memory.as<float>() + kFar, DType::kF32, {1024}),
                   0.0F, 1.0F, 1);
}

// An engine whose GPU breaks in its n-th step; it does not notice before it uses the GPU again.
class BreakingEngine : public Engine {
 public:
  BreakingEngine(const EngineOptions& options, int gpu, int steps_left)
      : Engine(small_config(), {}, options), gpu_(gpu), steps_left_(steps_left) {}
  std::span<const TokenOutput> step() override {
    if (steps_left_-- == 0) break_gpu(gpu_);
    return Engine::step();
  }

 private:
  int gpu_;
  int steps_left_;
};

std::vector<Request> mixed_rows() {
  std::vector<Request> rows;
  for (uint64_t row = 0; row < 150; ++row) {
    Request request = make_request(row, 1 + static_cast<int>(row * row * 7 % 290),
                                   1 + static_cast<int>(row % 60));
    request.params.temperature = row % 3 == 0 ? 0.0F : 0.9F;
    if (row % 5 == 3) request.params.n = 2;
    rows.push_back(std::move(request));
  }
  return rows;
}

using Bits = std::map<std::pair<uint64_t, int32_t>, std::vector<std::pair<int32_t, float>>>;

Bits bits_of(Generator& generator) {
  for (const Request& row : mixed_rows()) generator.add_request(row);
  Bits all;
  while (generator.has_work()) {
    for (const TokenOutput& output : generator.step()) {
      CHECK(output.finish != FinishReason::kError);
      all[{output.row, output.sample}].emplace_back(output.token_id, output.logprob);
    }
  }
  return all;
}

EngineOptions on_gpu(int index) {
  EngineOptions options;
  options.device = concat("cuda:", index);
  options.dtype = DType::kBF16;
  options.max_num_seqs = 8;
  options.seed = 11;
  return options;
}

TEST_CASE("several GPUs give the bits of one, also when one of them breaks") {
  if (!has_gpu(1)) {
    MESSAGE("skipped: needs two GPUs");
    return;
  }
  Bits expected;
  {
    Engine one(small_config(), {}, on_gpu(0));
    expected = bits_of(one);
  }
  {
    EngineGroup group(
        [](size_t i) {
          return std::make_unique<Engine>(small_config(), TensorLoader(),
                                          on_gpu(static_cast<int>(i)));
        },
        {.num_engines = 2});
    CHECK(bits_of(group) == expected);
    for (const EngineReport& report : group.reports()) CHECK(report.stats.output_tokens > 500);
  }
  std::vector<std::string> warnings;
  EngineGroup group(
      [](size_t i) -> std::unique_ptr<Generator> {
        const auto gpu = static_cast<int>(i);
        return std::make_unique<BreakingEngine>(on_gpu(gpu), gpu, gpu == 1 ? 40 : -1);
      },
      {.num_engines = 2, .warn = [&](const std::string& text) { warnings.push_back(text); }});
  CHECK(bits_of(group) == expected);
  CHECK_EQ(warnings.size(), 1);
  CHECK(group.reports()[1].failure.has_value());
}

}  // namespace
}  // namespace eet::test
