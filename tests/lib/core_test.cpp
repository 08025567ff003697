#include <doctest/doctest.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lib/core/dtype.h"
#include "lib/core/memory.h"
#include "lib/core/thread_pool.h"

using namespace eet;

TEST_CASE("every half and bfloat16 value survives the way through fp32") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if (std::isnan(f16_to_f32(half))) {
      CHECK(std::isnan(f16_to_f32(f32_to_f16(f16_to_f32(half)))));
    } else if (f32_to_f16(f16_to_f32(half)) != half) {
      FAIL("half ", bits);
    }
    if (std::isnan(bf16_to_f32(half))) {
      CHECK(std::isnan(bf16_to_f32(f32_to_bf16(bf16_to_f32(half)))));
    } else if (f32_to_bf16(bf16_to_f32(half)) != half) {
      FAIL("bfloat16 ", bits);
    }
  }
}

TEST_CASE("fp32 rounds to the nearest half, ties to even") {
  CHECK(f32_to_f16(1.0F + 0x1p-11F) == 0x3C00);      // tie: down to even
  CHECK(f32_to_f16(1.0F + 3 * 0x1p-11F) == 0x3C02);  // tie: up to even
  CHECK(f32_to_f16(1.0F + 0x1.1p-11F) == 0x3C01);    // above the tie
  CHECK(f32_to_f16(65504.0F) == 0x7BFF);             // the largest
  CHECK(f32_to_f16(65519.9F) == 0x7BFF);             // rounds down to it
  CHECK(f32_to_f16(65520.0F) == 0x7C00);             // rounds to infinity
  CHECK(f32_to_f16(-0.0F) == 0x8000);
  CHECK(f32_to_f16(0x1p-24F) == 0x0001);    // the smallest
  CHECK(f32_to_f16(0x1p-25F) == 0x0000);    // tie: to zero
  CHECK(f32_to_f16(0x1.8p-24F) == 0x0002);  // tie: up to even
  CHECK(f32_to_f16(std::numeric_limits<float>::infinity()) == 0x7C00);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3F808000U)) == 0x3F80);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3F818000U)) == 0x3F82);
}

TEST_CASE("every pair of floating types converts") {
  const std::vector<float> values = {0.0F, -1.5F, 3.25F, 1024.0F,
                                     -0.0078125F};  // exact in all types
  for (const DType from : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const DType to : {DType::kF32, DType::kF16, DType::kBF16}) {
      std::vector<std::byte> a(values.size() * 4);
      std::vector<std::byte> b(values.size() * 4);
      std::vector<float> back(values.size());
      convert_elements(a.data(), from, values.data(), DType::kF32, values.size());
      convert_elements(b.data(), to, a.data(), from, values.size());
      convert_elements(back.data(), DType::kF32, b.data(), to, values.size());
      CHECK(back == values);
    }
  }
}

TEST_CASE("a parallel loop runs each index once") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const int64_t count : {0, 1, 2, 1000}) {
      std::vector<std::atomic<int>> runs(count);
      for (int repeat = 0; repeat < 50; ++repeat) {
        pool.parallel_for(count, [&](int64_t i) { ++runs[i]; });
      }
      for (const auto& r : runs) CHECK(r == 50);
    }
  }
}

TEST_CASE("an exception in a parallel loop reaches the caller, and the pool goes on working") {
  ThreadPool pool(3);
  CHECK_THROWS_AS(pool.parallel_for(100,
                                    [](int64_t i) {
                                      if (i == 57) throw std::runtime_error("57");
                                    }),
                  std::runtime_error);
  std::atomic<int> runs = 0;
  pool.parallel_for(100, [&](int64_t) { ++runs; });
  CHECK(runs == 100);
}

TEST_CASE("host memory is aligned, moves, and copies") {
  ThreadPool pool(1);
  const Context ctx{.device = {}, .pool = &pool};
  Buffer a = allocate(ctx, 1000, "test");
  CHECK(reinterpret_cast<uintptr_t>(a.data()) % 256 == 0);
  CHECK(a.bytes() == 1000);
  fill_bytes(ctx, a.data(), 7, 1000);
  Buffer b = std::move(a);
  CHECK(b.as<unsigned char>()[999] == 7);
  std::vector<unsigned char> copy(1000);
  download(ctx, copy.data(), b.data(), 1000);
  CHECK(copy[0] == 7);
  CHECK(allocate(ctx, 0, "nothing").data() == nullptr);
}
