// Attention by windows, caps, sinks and ALiBi, and in heads and groups that only its variant by
// rules has, on both devices against plain fp64.
#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "lib/ops/ops.h"
#include "tests/kernels/attention_parts.h"
#include "tests/kernels/attention_pass.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

struct Rules {
  int window = 0;
  float softcap = 0;
  PerHead per_head = {};

  AttentionShape of(AttentionShape shape) const {
    shape.window = window;
    shape.softcap = softcap;
    return shape;
  }
};

constexpr Rules kEach[] = {{.window = 100},
                           {.per_head = {.has_sinks = true}},
                           {.softcap = 2.0F},
                           {.per_head = {.has_alibi = true}}};
constexpr Rules kAll = {
    .window = 150, .softcap = 3.0F, .per_head = {.has_sinks = true, .has_alibi = true}};
constexpr Rules kWindowAndSinks = {.window = 130, .per_head = {.has_sinks = true}};

// Heads and groups of every kernel, and those that are nowhere plain.
const AttentionShape kShapes[] = {heads(71, 1, 64), heads(3, 1, 8),    heads(3, 3, 72),
                                  heads(4, 2, 80),  heads(6, 1, 96),   heads(20, 2, 128),
                                  heads(5, 1, 192), heads(12, 1, 256), heads(4, 2, 264),
                                  heads(4, 1, 320), heads(9, 1, 512)};

const std::vector<Row> kSteps = {{.context_len = 1, .seed = 1},
                                 {.context_len = 127, .seed = 2},
                                 {.context_len = 0, .seed = 3},
                                 {.context_len = 129, .seed = 4},
                                 {.context_len = 256, .seed = 5},
                                 {.context_len = 300, .seed = 6},
                                 {.context_len = kLongestUnsplit + 1, .seed = 7}};

const std::vector<Row> kPrompts = {
    {.context_len = 1, .query_len = 1, .seed = 1},
    {.context_len = 257, .query_len = 257, .seed = 2},
    {.context_len = 60, .query_len = 65, .pad_count = 5, .seed = 3},
    {.context_len = 400, .query_len = 40, .seed = 4},
    {.context_len = 640, .query_len = 129, .pad_count = 64, .seed = 5},
    {.context_len = 513, .query_len = 1, .seed = 6}};

void check(Devices& devices, DType type, const AttentionShape& shape, const Rules& rules) {
  check_pass(devices, type, rules.of(shape), true, kSteps, rules.per_head);
  check_pass(devices, type, rules.of(shape), false, kPrompts, rules.per_head);
}

TEST_CASE("CPU attention by rules matches fp64, so that it can judge the kernels") {
  ThreadPool pool(available_cores());
  const Context cpu{.device = {}, .pool = &pool, .cuda = nullptr};
  for (const Rules& rules : {kEach[0], kEach[1], kEach[2], kEach[3], kAll, kWindowAndSinks}) {
    for (const bool decode : {true, false}) {
      CAPTURE(rules.window);
      CAPTURE(rules.softcap);
      const Pass pass(DType::kF32, rules.of(heads(6, 2, 40)), decode, decode ? kSteps : kPrompts,
                      rules.per_head);
      CHECK(normalised_error(pass.run_floats(cpu), pass.expect(pool)) < tolerance(DType::kF32));
    }
  }
  AttentionShape shape = heads(4, 1, 64);
  shape.scale *= 30;
  shape.softcap = 50;
  const Pass pass(DType::kF32, shape, true, kSteps);
  CHECK(normalised_error(pass.run_floats(cpu), pass.expect(pool)) < tolerance(DType::kF32) / 4);
}

TEST_CASE("attention matches by each rule alone") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const Rules& rules : kEach) {
      for (const AttentionShape& shape : {heads(4, 2, 64), heads(6, 3, 80), heads(9, 1, 128)}) {
        check(*devices, type, shape, rules);
      }
    }
  }
}

TEST_CASE("attention matches by all rules, in heads and groups of every size") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape : kShapes) {
      check(*devices, type, shape, kAll);
      check(*devices, type, shape, kWindowAndSinks);
    }
  }
}

TEST_CASE("attention without rules matches in heads and groups that are nowhere plain") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape : {heads(71, 1, 64), heads(17, 1, 80), heads(128, 1, 16),
                                        heads(2, 2, 264), heads(3, 1, 512)}) {
      check(*devices, type, shape, {});
    }
  }
}

TEST_CASE("windows end and begin anywhere in pages, tiles and splits") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<Row> steps = {{.context_len = 16, .seed = 1},
                                  {.context_len = 128, .seed = 2},
                                  {.context_len = 145, .seed = 3},
                                  {.context_len = 4001, .seed = 4}};
  const std::vector<Row> prompts = {{.context_len = 200, .query_len = 200, .seed = 1},
                                    {.context_len = 700, .query_len = 70, .seed = 2}};
  for (const DType type : kComputeTypes) {
    for (const int window : {1,
                             2,
                             15,
                             16,
                             17,
                             31,
                             33,
                             63,
                             64,
                             65,
                             127,
                             128,
                             129,
                             255,
                             257,
                             kLongestUnsplit - 1,
                             kLongestUnsplit + 130,
                             4000,
                             4001,
                             1 << 30}) {
      const Rules rules = {.window = window};
      check_pass(*devices, type, rules.of(heads(2, 1, 64)), true, steps);
      check_pass(*devices, type, rules.of(heads(2, 1, 64)), false, prompts);
    }
  }
}

TEST_CASE("sinks and caps match where the scores lie far apart") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    AttentionShape shape = heads(4, 1, 64);
    shape.scale *= 30;
    // Beside a sink that takes nearly everything, what is left of a head is below what fp16 can
    // hold.
    if (type != DType::kF16) check(*devices, type, shape, {.per_head = {.has_sinks = true}});
    check(*devices, type, shape, {.softcap = 50.0F});
  }
}

TEST_CASE("by rules a row has the same bits alone, in any batch and in any order") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<Row> steps = {{.context_len = 700, .seed = 1},
                                  {.context_len = 3, .seed = 2},
                                  {.context_len = 5000, .seed = 3},
                                  {.context_len = 300, .seed = 4}};
  const std::vector<Row> prompts = {
      {.context_len = 300, .query_len = 300, .seed = 1},
      {.context_len = 3, .query_len = 3, .seed = 2},
      {.context_len = 200, .query_len = 217, .pad_count = 17, .seed = 3},
      {.context_len = 400, .query_len = 33, .seed = 4}};
  const Rules long_window = {.window = 3000, .per_head = {.has_sinks = true}};
  for (const DType type : kComputeTypes) {
    for (const bool decode : {true, false}) {
      for (const AttentionShape& shape : {heads(10, 1, 64), heads(3, 3, 80), heads(2, 1, 320)}) {
        for (const Rules& rules : {kAll, kWindowAndSinks, long_window}) {
          CAPTURE(dtype_name(type));
          CAPTURE(decode);
          CAPTURE(shape.head_dim);
          CAPTURE(rules.window);
          const std::vector<Row>& rows = decode ? steps : prompts;
          const auto make = [&](const std::vector<Row>& some) {
            return Pass(type, rules.of(shape), decode, some, rules.per_head);
          };
          const Pass together = make(rows);
          const Pass reversed = make({rows.rbegin(), rows.rend()});
          const std::vector<uint8_t> bytes = together.run(devices->cuda);
          const std::vector<uint8_t> reversed_bytes = reversed.run(devices->cuda);
          CHECK(together.run(devices->cuda) == bytes);
          for (int r = 0; r < static_cast<int>(rows.size()); ++r) {
            const int mirrored = static_cast<int>(rows.size()) - 1 - r;
            const Pass alone = make({rows[r]});
            const std::vector<uint8_t> expected = together.real_bytes(bytes, r);
            CHECK(alone.real_bytes(alone.run(devices->cuda), 0) == expected);
            CHECK(reversed.real_bytes(reversed_bytes, mirrored) == expected);
          }
        }
      }
    }
  }
}

TEST_CASE("by rules a prompt has the same bits in chunks as in one pass") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int kLength = 500;
  for (const DType type : kComputeTypes) {
    for (const AttentionShape& shape :
         {heads(4, 2, 64), heads(2, 1, 80), heads(2, 1, 128), heads(2, 1, 256), heads(2, 1, 512)}) {
      for (const Rules& rules : {kAll, kWindowAndSinks, Rules{.window = 40}}) {
        CAPTURE(dtype_name(type));
        CAPTURE(shape.head_dim);
        CAPTURE(rules.window);
        const auto run = [&](int begin, int end) {
          const Pass chunk(type, rules.of(shape), false,
                           {{.context_len = end, .query_len = end - begin, .seed = 1}},
                           rules.per_head);
          return chunk.run(devices->cuda);
        };
        std::vector<uint8_t> chunked;
        for (const auto& [begin, end] : {std::pair(0, 100), std::pair(100, 101),
                                         std::pair(101, 333), std::pair(333, kLength)}) {
          const std::vector<uint8_t> bytes = run(begin, end);
          chunked.insert(chunked.end(), bytes.begin(), bytes.end());
        }
        CHECK(chunked == run(0, kLength));
      }
    }
  }
}

TEST_CASE(
    "rows with windows in a batch too large for the GPU at once have the bits they have alone") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  std::vector<Row> rows;
  for (int r = 0; r < 150; ++r) {
    const int length = 1 + r * 37 % 2000;
    rows.push_back({.context_len = r % 9 == 4 ? 0 : length, .seed = static_cast<uint32_t>(r)});
  }
  const AttentionShape shape = kWindowAndSinks.of(heads(32, 16, 128));
  const auto make = [&](const std::vector<Row>& some) {
    return Pass(DType::kBF16, shape, true, some, kWindowAndSinks.per_head);
  };
  const Pass pass = make(rows);
  const std::vector<uint8_t> together = pass.run(devices->cuda);
  for (int r = 0; r < 150; r += 13) {
    CAPTURE(r);
    const Pass alone = make({rows[r]});
    CHECK(alone.real_bytes(alone.run(devices->cuda), 0) == pass.real_bytes(together, r));
  }
}

}  // namespace
}  // namespace eet::test
