// Plain CUDA attention against the CPU operation and against plain fp64.
#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "lib/core/error.h"
#include "lib/ops/ops.h"
#include "tests/kernels/attention_parts.h"
#include "tests/kernels/attention_pass.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

const AttentionShape kShapes[] = {
    heads(25, 25, 64), heads(3, 1, 8),    heads(4, 4, 16),  heads(6, 3, 24),  heads(4, 1, 64),
    heads(3, 3, 72),   heads(3, 1, 80),   heads(6, 1, 96),  heads(7, 1, 112), heads(16, 2, 128),
    heads(16, 1, 128), heads(2, 2, 128),  heads(4, 2, 160), heads(9, 1, 136), heads(3, 1, 192),
    heads(8, 8, 256),  heads(12, 1, 256), heads(16, 1, 64), heads(2, 1, 200), heads(5, 1, 32),
};

TEST_CASE("CPU attention matches fp64, so that it can judge the kernels") {
  ThreadPool pool(available_cores());
  const Context cpu{.device = {}, .pool = &pool, .cuda = nullptr};
  for (const bool decode : {true, false}) {
    for (const AttentionShape& shape : {heads(3, 1, 8), heads(4, 2, 64), heads(3, 3, 80)}) {
      const int query_len = decode ? 1 : 60;
      const Pass pass(DType::kF32, shape, decode,
                      {{.context_len = 300, .query_len = query_len, .seed = 1},
                       {.context_len = decode ? 0 : 50,
                        .query_len = query_len,
                        .pad_count = decode ? 0 : 10,
                        .seed = 2}});
      CHECK(normalised_error(pass.run_floats(cpu), pass.expect(pool)) < tolerance(DType::kF32));
    }
  }
}

TEST_CASE("decode attention matches on ragged contexts around pages and splits") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<Row> rows = {{.context_len = 1, .seed = 1},
                                 {.context_len = 127, .seed = 2},
                                 {.context_len = 128, .seed = 3},
                                 {.context_len = 0, .seed = 4},
                                 {.context_len = 129, .seed = 5},
                                 {.context_len = kLongestUnsplit + 1, .seed = 6},
                                 {.context_len = 17, .seed = 7},
                                 {.context_len = 33, .seed = 8},
                                 {.context_len = 300, .seed = 9},
                                 {.context_len = kLongestUnsplit + 5 * kPageSize, .seed = 10}};
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape : kShapes) check_pass(*devices, type, shape, true, rows);
  }
}

TEST_CASE("decode attention of short contexts only, which no row splits, matches") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    check_pass(*devices, type, heads(4, 2, 64), true,
               {{.context_len = 0}, {.context_len = kLongestUnsplit}});
    check_pass(*devices, type, heads(4, 2, 64), true, {{.context_len = 0}});
  }
}

// Scores that lie far apart: a few tokens have all the weight, and later ones exceed what came
// before by much more than sums are kept for.
TEST_CASE("decode attention matches where the scores lie far apart") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (AttentionShape shape : {heads(4, 1, 64), heads(16, 1, 128), heads(3, 1, 256)}) {
      shape.scale *= 30;
      check_pass(*devices, type, shape, true,
                 {{.context_len = 16, .seed = 1},
                  {.context_len = 700, .seed = 2},
                  {.context_len = kLongestUnsplit + 5 * kPageSize, .seed = 3}});
    }
  }
}

TEST_CASE("prefill attention matches on whole prompts, later chunks and pads") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<Row> rows = {
      {.context_len = 1, .query_len = 1, .seed = 1},
      {.context_len = 127, .query_len = 127, .seed = 2},
      {.context_len = 128, .query_len = 128, .seed = 3},
      {.context_len = 129, .query_len = 129, .seed = 4},
      {.context_len = 300, .query_len = 300, .seed = 5},
      {.context_len = 60, .query_len = 65, .pad_count = 5, .seed = 6},
      {.context_len = 20, .query_len = 300, .pad_count = 280, .seed = 7},
      {.context_len = 300, .query_len = 40, .seed = 8},
      {.context_len = 257, .query_len = 3, .pad_count = 1, .seed = 9},
      {.context_len = 640, .query_len = 129, .pad_count = 64, .seed = 10},
      {.context_len = 513, .query_len = 1, .seed = 11},
  };
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape : kShapes) check_pass(*devices, type, shape, false, rows);
  }
}

TEST_CASE("attention matches at a long context") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    check_pass(*devices, type, heads(4, 2, 128), true,
               {{.context_len = 20000, .seed = 1},
                {.context_len = 8193, .seed = 2},
                {.context_len = 32768, .seed = 3},    // the last of 8 pages to a split
                {.context_len = 32769, .seed = 4}});  // the first of 9
    check_pass(*devices, type, heads(2, 1, 64), false,
               {{.context_len = 20000, .query_len = 130, .seed = 3}});
  }
}

TEST_CASE("attention matches in a batch of many rows") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  std::vector<Row> steps;
  std::vector<Row> prompts;
  for (int r = 0; r < 1023; ++r) {
    const int length = 1 + r * 37 % 150;
    steps.push_back({.context_len = length, .seed = static_cast<uint32_t>(r)});
    prompts.push_back({.context_len = length, .query_len = length, .seed = steps.back().seed});
  }
  for (const DType type : kComputeTypes) {
    check_pass(*devices, type, heads(2, 1, 64), true, steps);
    check_pass(*devices, type, heads(2, 1, 64), false, prompts);
  }
}

TEST_CASE("a row has the same bits alone, in any batch and in any order") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<Row> steps = {{.context_len = 700, .seed = 1},
                                  {.context_len = 3, .seed = 2},
                                  {.context_len = 9000, .seed = 3},
                                  {.context_len = 300, .seed = 4}};
  const std::vector<Row> prompts = {
      {.context_len = 300, .query_len = 300, .seed = 1},
      {.context_len = 3, .query_len = 3, .seed = 2},
      {.context_len = 200, .query_len = 217, .pad_count = 17, .seed = 3},
      {.context_len = 400, .query_len = 33, .seed = 4}};
  for (const DType type : kComputeTypes) {
    for (const bool decode : {true, false}) {
      for (const AttentionShape& shape : {heads(8, 2, 64), heads(3, 3, 80), heads(4, 1, 256)}) {
        CAPTURE(dtype_name(type));
        CAPTURE(decode);
        CAPTURE(shape.head_dim);
        const std::vector<Row>& rows = decode ? steps : prompts;
        const Pass together(type, shape, decode, rows);
        const std::vector<Row> backwards(rows.rbegin(), rows.rend());
        const Pass reversed(type, shape, decode, backwards);
        const std::vector<uint8_t> bytes = together.run(devices->cuda);
        const std::vector<uint8_t> reversed_bytes = reversed.run(devices->cuda);
        for (int r = 0; r < static_cast<int>(rows.size()); ++r) {
          const int mirrored = static_cast<int>(rows.size()) - 1 - r;
          const Pass alone(type, shape, decode, {rows[r]});
          const std::vector<uint8_t> expected = together.real_bytes(bytes, r);
          CHECK(alone.real_bytes(alone.run(devices->cuda), 0) == expected);
          CHECK(reversed.real_bytes(reversed_bytes, mirrored) == expected);
        }
      }
    }
  }
}

TEST_CASE("a prompt has the same bits in chunks as in one pass") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int kLength = 333;
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape :
         {heads(4, 2, 64), heads(2, 1, 80), heads(2, 1, 128), heads(2, 1, 160), heads(2, 1, 256)}) {
      CAPTURE(dtype_name(type));
      CAPTURE(shape.head_dim);
      const Pass whole(type, shape, false,
                       {{.context_len = kLength, .query_len = kLength, .seed = 1}});
      std::vector<uint8_t> chunked;
      for (const auto& [begin, end] :
           {std::pair(0, 100), std::pair(100, 101), std::pair(101, 333)}) {
        const Pass chunk(type, shape, false,
                         {{.context_len = end, .query_len = end - begin, .seed = 1}});
        const std::vector<uint8_t> bytes = chunk.run(devices->cuda);
        chunked.insert(chunked.end(), bytes.begin(), bytes.end());
      }
      CHECK(chunked == whole.run(devices->cuda));
    }
  }
}

TEST_CASE("attention gives the same bits 20 times") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const bool decode : {true, false}) {
      const int query_len = decode ? 1 : 200;
      const Pass pass(type, heads(8, 2, 128), decode,
                      {{.context_len = 2000, .query_len = query_len, .seed = 1},
                       {.context_len = 400, .query_len = query_len, .seed = 2}});
      const std::vector<uint8_t> first = pass.run(devices->cuda);
      for (int repeat = 1; repeat < 20; ++repeat) CHECK(pass.run(devices->cuda) == first);
    }
  }
}

TEST_CASE("rows of a batch too large for the GPU at once have the bits they have alone") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const auto check_rows = [&](const AttentionShape& shape, int num_rows) {
    CAPTURE(shape.head_dim);
    std::vector<Row> rows;
    for (int r = 0; r < num_rows; ++r) {
      const int length = 1 + r * 37 % 2000;
      rows.push_back({.context_len = r % 9 == 4 ? 0 : length, .seed = static_cast<uint32_t>(r)});
    }
    check_pass(*devices, DType::kBF16, shape, true, rows);
    const Pass pass(DType::kBF16, shape, true, rows);
    const std::vector<uint8_t> together = pass.run(devices->cuda);
    CHECK(pass.run(devices->cuda) == together);
    for (int r = 0; r < num_rows; r += 13) {
      CAPTURE(r);
      const Pass alone(DType::kBF16, shape, true, {rows[r]});
      CHECK(alone.real_bytes(alone.run(devices->cuda), 0) == pass.real_bytes(together, r));
    }
  };
  check_rows(heads(25, 25, 16), 90);
  check_rows(heads(16, 8, 80), 120);
  check_rows(heads(8, 8, 136), 90);
  check_rows(heads(16, 4, 128), 120);
}

TEST_CASE("attention refuses heads that it has no kernel for") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const auto run = [&](const AttentionShape& shape) {
    Pass(DType::kBF16, shape, true, {{.context_len = 5}}).run(devices->cuda);
  };
  CHECK_THROWS_AS(run(heads(1, 1, 12)), Error);
  CHECK_THROWS_AS(run(heads(1, 1, 520)), Error);
  CHECK_THROWS_AS(run(heads(3, 2, 64)), Error);
}

}  // namespace
}  // namespace eet::test
