// Groups of engines on several GPUs. What becomes of one that fails is in tests/app.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "lib/device.h"
#include "lib/engine.h"
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

TEST_CASE("several GPUs give the bits of one") {
  if (!has_gpu(1)) {
    MESSAGE("skipped: needs two GPUs");
    return;
  }
  Bits expected;
  {
    Engine one(small_config(), {}, on_gpu(0));
    expected = bits_of(one);
  }
  EngineGroup group(
      [](size_t i) {
        return std::make_unique<Engine>(small_config(), TensorLoader(),
                                        on_gpu(static_cast<int>(i)));
      },
      {.num_engines = 2});
  CHECK(bits_of(group) == expected);
  for (const EngineReport& report : group.reports()) CHECK(report.stats.output_tokens > 500);
}

}  // namespace
}  // namespace eet::test
