// The benchmark's own yardstick: does it read and compute what it says it does?
#include "lib/ceilings.h"

#include <doctest/doctest.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "lib/core/memory.h"
#include "lib/device.h"

namespace eet {
namespace {

// Null, with a message, where there is no such device.
std::unique_ptr<OpenDevice> open_or_skip(const std::string& name) {
  try {
    return std::make_unique<OpenDevice>(name, 0);
  } catch (const Error& error) {
    REQUIRE(name == "cuda");
    MESSAGE("skipped: " << std::string(error.what()));
    return nullptr;
  }
}

// Runs `test` on the CPU, and on a GPU where there is one.
template <typename Test>
void on_every_device(Test test) {
  for (const std::string name : {"cpu", "cuda"}) {
    CAPTURE(name);
    if (const auto device = open_or_skip(name)) test(device->context());
  }
}

double sum_on(const Context& ctx, const std::vector<float>& values) {
  const Buffer buffer = allocate(ctx, values.size() * sizeof(float), "test values");
  upload(ctx, buffer.data(), values.data(), buffer.bytes());
  return sum_elements(ctx, buffer.as<float>(), static_cast<int64_t>(values.size()));
}

TEST_CASE("the read loop reads every element once") {
  on_every_device([](const Context& ctx) {
    for (const size_t count : {size_t{4}, size_t{1000}, (size_t{1} << 20) + 4}) {
      CAPTURE(count);
      std::vector<float> values(count);
      for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 8);  // exact in fp32
      CHECK(sum_on(ctx, values) == std::accumulate(values.begin(), values.end(), 0.0));
      values.back() += 1.0F;
      values[count / 2] += 2.0F;
      CHECK(sum_on(ctx, values) == std::accumulate(values.begin(), values.end(), 0.0));
    }
  });
}

TEST_CASE("the ceilings of a device are plausible") {
  on_every_device([](const Context& ctx) {
    const Ceilings ceilings = measure_ceilings(ctx, DType::kF32);
    // From a slow core under sanitizers to several times an H100.
    CHECK(ceilings.read_bytes_per_second > 1e7);
    CHECK(ceilings.read_bytes_per_second < 5e13);
    CHECK(ceilings.copy_bytes_per_second > 1e7);
    CHECK(ceilings.copy_bytes_per_second < 5e13);
    CHECK(ceilings.flops_per_second > 1e7);
    CHECK(ceilings.flops_per_second < 1e15);
    CHECK(ceilings.bytes_per_second() >= ceilings.read_bytes_per_second);
    CHECK(ceilings.bytes_per_second() >= ceilings.copy_bytes_per_second);
  });
}

}  // namespace
}  // namespace eet
