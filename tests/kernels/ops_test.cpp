// Every operation but the products, attention and sampling: CUDA against the CPU, through the API
// that the decoder uses. And the clock of passes.
#include "lib/ops/ops.h"

#include <chrono>
#include <cmath>
#include <thread>

#include "lib/runner/pass_clock.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

constexpr int64_t kHiddenSizes[] = {111, 768, 1600, 4096, 12288, 16384};
constexpr int64_t kRowCounts[] = {1, 3, 64, 257};

// Calls body(type, hidden, rows) for every combination that operations on rows must handle.
template <typename Body>
void for_each_shape(Body body) {
  for (const DType type : kComputeTypes) {
    for (const int64_t hidden : kHiddenSizes) {
      for (const int64_t rows : kRowCounts) {
        CAPTURE(dtype_name(type));
        CAPTURE(hidden);
        CAPTURE(rows);
        body(type, hidden, rows);
      }
    }
  }
}

void check_close(const Tensor& actual, const Tensor& expected) {
  CHECK(normalised_error(actual.read(), expected.read()) < tolerance(actual.view().dtype));
}

// One tensor with the same elements on both devices: in T on CUDA, in fp32 on the CPU.
struct Pair {
  Tensor cuda;
  Tensor cpu;

  Pair(Devices& devices, DType type, std::initializer_list<int64_t> shape,
       const std::vector<float>& values)
      : cuda(devices.cuda, type, shape, values),
        cpu(devices.cpu, DType::kF32, shape, rounded(values, type)) {}

  // Poisoned.
  Pair(Devices& devices, DType type, std::initializer_list<int64_t> shape)
      : cuda(devices.cuda, type, shape), cpu(devices.cpu, DType::kF32, shape) {}
};

struct IntPair {
  Tensor cuda;
  Tensor cpu;

  IntPair(Devices& devices, const std::vector<int32_t>& values)
      : cuda(devices.cuda, {static_cast<int64_t>(values.size())}, values),
        cpu(devices.cpu, {static_cast<int64_t>(values.size())}, values) {}
};

TEST_CASE("embed adds token and position rows exactly and gives zeros for pads") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kVocab = 101;
  constexpr int64_t kPositions = 77;
  for_each_shape([&](DType type, int64_t hidden, int64_t rows) {
    const Pair tokens(*devices, type, {kVocab, hidden}, random_values(kVocab * hidden, 1));
    const Pair positions(*devices, type, {kPositions, hidden},
                         random_values(kPositions * hidden, 2));
    std::vector<int32_t> ids(rows);
    std::vector<int32_t> places(rows);
    for (int64_t t = 0; t < rows; ++t) {
      const bool is_pad = t % 5 == 1;
      ids[t] = is_pad ? -1 : static_cast<int32_t>((t * 37 + 100) % kVocab);
      places[t] = is_pad ? -1 : static_cast<int32_t>((t * 31 + 76) % kPositions);
    }
    const IntPair token_ids(*devices, ids);
    const IntPair place_ids(*devices, places);
    for (const bool learned : {false, true}) {
      CAPTURE(learned);
      const Pair out(*devices, DType::kF32, {rows, hidden});
      const auto run = [&](const Context& ctx, const Tensor& residual, const Tensor& id,
                           const Tensor& place, const Tensor& token_table,
                           const Tensor& position_table) {
        ops::embed(ctx, residual, id.as<int32_t>(), place.as<int32_t>(), token_table,
                   learned ? position_table.view() : TensorView());
      };
      run(devices->cuda, out.cuda, token_ids.cuda, place_ids.cuda, tokens.cuda, positions.cuda);
      run(devices->cpu, out.cpu, token_ids.cpu, place_ids.cpu, tokens.cpu, positions.cpu);
      CHECK(out.cuda.read_bytes() == out.cpu.read_bytes());
    }
  });
}

TEST_CASE("embed reaches the last row of a large odd vocabulary") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kVocab = 50257;
  constexpr int64_t kHidden = 111;
  const Pair tokens(*devices, DType::kBF16, {kVocab, kHidden}, random_values(kVocab * kHidden, 3));
  const IntPair ids(*devices, {50256, 0, 50255});
  const IntPair places(*devices, {0, 1, 2});
  const Pair out(*devices, DType::kF32, {3, kHidden});
  ops::embed(devices->cuda, out.cuda, ids.cuda.as<int32_t>(), places.cuda.as<int32_t>(),
             tokens.cuda, {});
  ops::embed(devices->cpu, out.cpu, ids.cpu.as<int32_t>(), places.cpu.as<int32_t>(), tokens.cpu,
             {});
  CHECK(out.cuda.read_bytes() == out.cpu.read_bytes());
}

// Runs add_norm on both devices; checks the norm to the tolerance and the residual to the bit.
struct NormCase {
  NormKind kind = NormKind::kRmsNorm;
  bool with_delta = true;
  bool with_bias = false;
  float residual_mean = 0.0F;
};

void check_add_norm(Devices& devices, DType type, int64_t hidden, int64_t rows,
                    const NormCase& test) {
  const Pair residual(devices, DType::kF32, {rows, hidden},
                      random_values(rows * hidden, 1, 3.0F, test.residual_mean));
  const Pair delta(devices, type, {rows, hidden}, random_values(rows * hidden, 2));
  const Pair weight(devices, type, {hidden}, random_values(hidden, 3, 0.5F, 1.0F));
  const Pair bias(devices, type, {hidden}, random_values(hidden, 4));
  const Pair out(devices, type, {rows, hidden});
  const auto run = [&](const Context& ctx, Tensor Pair::*side) {
    ops::add_norm(ctx, out.*side, residual.*side, test.with_delta ? delta.*side : TensorView(),
                  {.kind = test.kind,
                   .eps = 1e-5F,
                   .weight = weight.*side,
                   .bias = test.with_bias ? bias.*side : TensorView()});
  };
  run(devices.cuda, &Pair::cuda);
  run(devices.cpu, &Pair::cpu);
  check_close(out.cuda, out.cpu);
  CHECK(residual.cuda.read_bytes() == residual.cpu.read_bytes());
}

TEST_CASE("add_norm matches the CPU with RMSNorm and a delta") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for_each_shape([&](DType type, int64_t hidden, int64_t rows) {
    check_add_norm(*devices, type, hidden, rows, {.kind = NormKind::kRmsNorm});
  });
}

TEST_CASE("add_norm matches the CPU with LayerNorm, a delta and a bias") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for_each_shape([&](DType type, int64_t hidden, int64_t rows) {
    check_add_norm(*devices, type, hidden, rows, {.kind = NormKind::kLayerNorm, .with_bias = true});
  });
}

TEST_CASE("add_norm matches the CPU on small and odd hidden sizes, without a delta") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const int64_t hidden : {1, 2, 3, 4, 31, 33, 64, 1023, 4098, 16383}) {
      CAPTURE(dtype_name(type));
      CAPTURE(hidden);
      check_add_norm(*devices, type, hidden, 5, {.with_delta = false});
      check_add_norm(*devices, type, hidden, 5,
                     {.kind = NormKind::kLayerNorm, .with_delta = false, .with_bias = true});
    }
  }
}

TEST_CASE("LayerNorm keeps its precision where the mean is far from zero") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  // fp32 holds values near 1000 to 6e-5, 2e-5 of the deviation: what is left is the mean's own
  // rounding, which both devices suffer in different order.
  const auto residual_values = random_values(3 * 4096, 1, 3.0F, 1000.0F);
  const Pair residual(*devices, DType::kF32, {3, 4096}, residual_values);
  const Pair weight(*devices, DType::kF32, {4096}, std::vector<float>(4096, 1.0F));
  const Tensor out(devices->cuda, DType::kF32, {3, 4096});
  ops::add_norm(devices->cuda, out, residual.cuda, {},
                {.kind = NormKind::kLayerNorm, .weight = weight.cuda});
  const std::vector<float> actual = out.read();
  for (int row = 0; row < 3; ++row) {
    double sum = 0;
    double sum_of_squares = 0;
    for (int i = 0; i < 4096; ++i) {
      sum += actual[row * 4096 + i];
      sum_of_squares += static_cast<double>(actual[row * 4096 + i]) * actual[row * 4096 + i];
    }
    CHECK(std::abs(sum / 4096) < 2e-4);
    CHECK(std::abs(sum_of_squares / 4096 - 1.0) < 1e-4);
  }
}

TEST_CASE("add_norm with a row list, rows twice too, reads the listed rows only and writes none") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kTokens = 9;
  const std::vector<int32_t> listed = {8, 0, 5, 0};
  for (const DType type : kComputeTypes) {
    for (const int64_t hidden : {111, 4096}) {
      CAPTURE(dtype_name(type));
      CAPTURE(hidden);
      const float nan = std::numeric_limits<float>::quiet_NaN();
      std::vector<float> values = random_values(kTokens * hidden, 1);
      std::vector<float> changes = random_values(kTokens * hidden, 2);
      for (int64_t i = 0; i < kTokens * hidden; ++i) {
        const auto row = static_cast<int32_t>(i / hidden);
        if (std::find(listed.begin(), listed.end(), row) == listed.end()) {
          values[i] = nan;
          changes[i] = nan;
        }
      }
      const Pair residual(*devices, DType::kF32, {kTokens, hidden}, values);
      const Pair delta(*devices, type, {kTokens, hidden}, changes);
      const Pair weight(*devices, type, {hidden}, random_values(hidden, 3));
      const IntPair rows(*devices, listed);
      const Pair out(*devices, type, {static_cast<int64_t>(listed.size()), hidden});
      ops::add_norm(devices->cuda, out.cuda, residual.cuda, delta.cuda,
                    {.eps = 1e-5F, .weight = weight.cuda}, 1, rows.cuda.as<int32_t>());
      ops::add_norm(devices->cpu, out.cpu, residual.cpu, delta.cpu,
                    {.eps = 1e-5F, .weight = weight.cpu}, 1, rows.cpu.as<int32_t>());
      check_close(out.cuda, out.cpu);
      const Tensor untouched(devices->cpu, DType::kF32, {kTokens, hidden}, values);
      CHECK(residual.cuda.read_bytes() == untouched.read_bytes());
      CHECK(residual.cpu.read_bytes() == untouched.read_bytes());
    }
  }
}

constexpr Activation kActivations[] = {Activation::kSilu, Activation::kGeluTanh,
                                       Activation::kGeluErf};

TEST_CASE("activation matches the CPU, gated and not") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for_each_shape([&](DType type, int64_t width, int64_t rows) {
    for (const bool gated : {false, true}) {
      const int64_t x_width = gated ? 2 * width : width;
      const Pair x(*devices, type, {rows, x_width}, random_values(rows * x_width, 1, 2.0F));
      for (const Activation kind : kActivations) {
        CAPTURE(gated);
        CAPTURE(static_cast<int>(kind));
        const Pair out(*devices, type, {rows, width});
        ops::activation(devices->cuda, out.cuda, x.cuda, kind, gated);
        ops::activation(devices->cpu, out.cpu, x.cpu, kind, gated);
        check_close(out.cuda, out.cpu);
      }
    }
  });
}

TEST_CASE("activation stays finite at the ends of the range and works in place") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const std::vector<float> ends = {-60000.0F, -200.0F, -90.0F, -20.0F, -0.0F,
                                   0.0F,      20.0F,   90.0F,  200.0F, 60000.0F};
  for (const DType type : kComputeTypes) {
    for (const Activation kind : kActivations) {
      CAPTURE(dtype_name(type));
      CAPTURE(static_cast<int>(kind));
      const Tensor x(devices->cuda, type, {2, 5}, ends);
      ops::activation(devices->cuda, x, x, kind, false);
      const std::vector<float> expected = rounded(ends, type);
      const std::vector<float> actual = x.read();
      for (size_t i = 0; i < ends.size(); ++i) {
        if (ends[i] <= -20.0F) {
          CHECK(std::abs(actual[i]) < 1e-6F);
        } else {
          CHECK(actual[i] == doctest::Approx(expected[i]).epsilon(1e-6));
        }
      }
    }
  }
}

struct QkvHeads {
  int num_heads;
  int num_kv_heads;
};

// A pass over three slots: pads among the tokens, positions across page borders.
void check_rope_append(Devices& devices, DType type, const QkvHeads& heads, int head_dim,
                       bool rotate) {
  constexpr int64_t kPages = 7;
  constexpr int64_t kMaxPositions = 300;
  const std::vector<int32_t> positions = {-1, -1, 0, 1, 2, 126, 127, 128, 129, -1, 255, 256, 299};
  const std::vector<int32_t> slots = {0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  // Slots own pages in no order; page 6 is nobody's, and entries past a slot's end are bogus.
  const std::vector<int32_t> tables = {5, -77, -77, 2, 0, -77, 4, 1, 3};
  const auto num_tokens = static_cast<int64_t>(positions.size());
  const int64_t dim = head_dim;
  const int64_t row_size = (heads.num_heads + 2 * heads.num_kv_heads) * dim;

  std::vector<float> qkv_values = random_values(num_tokens * row_size, 1);
  for (int64_t i = 0; i < num_tokens * row_size; ++i) {
    if (positions[i / row_size] < 0) qkv_values[i] = std::numeric_limits<float>::quiet_NaN();
  }
  std::vector<float> angles(kMaxPositions * dim);
  for (int64_t p = 0; p < kMaxPositions; ++p) {
    for (int64_t i = 0; i < dim / 2; ++i) {
      const double angle = static_cast<double>(p) * std::pow(1e4, -2.0 * i / dim);
      angles[p * dim + 2 * i] = static_cast<float>(std::cos(angle));
      angles[p * dim + 2 * i + 1] = static_cast<float>(std::sin(angle));
    }
  }
  const Pair qkv(devices, type, {num_tokens, row_size}, qkv_values);
  const Pair table(devices, DType::kF32, {kMaxPositions, dim / 2, 2}, angles);
  const Pair keys(devices, type, {kPages, heads.num_kv_heads, kPageSize, dim});
  const Pair values(devices, type, {kPages, heads.num_kv_heads, kPageSize, dim});
  const IntPair position_ids(devices, positions);
  const IntPair token_slots(devices, slots);
  const IntPair block_tables(devices, tables);

  const auto run = [&](const Context& ctx, Tensor Pair::*side, Tensor IntPair::*int_side) {
    ForwardBatch batch;
    batch.num_tokens = static_cast<int>(num_tokens);
    batch.positions = (position_ids.*int_side).as<int32_t>();
    batch.token_slots = (token_slots.*int_side).as<int32_t>();
    batch.block_tables = (block_tables.*int_side).as<int32_t>();
    batch.block_table_stride = 3;
    const AttentionShape shape{
        .num_heads = heads.num_heads, .num_kv_heads = heads.num_kv_heads, .head_dim = head_dim};
    ops::rope_append(ctx, qkv.*side, {keys.*side, values.*side}, batch, shape,
                     {rotate ? table.*side : TensorView()});
  };
  run(devices.cuda, &Pair::cuda, &IntPair::cuda);
  run(devices.cpu, &Pair::cpu, &IntPair::cpu);

  // The same elements are written, and nothing else: what stays NaN on one stays NaN on the other.
  const auto check_written = [&](const std::vector<float>& actual,
                                 const std::vector<float>& expected) {
    std::vector<float> written;
    std::vector<float> wanted;
    int64_t different = 0;
    for (size_t i = 0; i < actual.size(); ++i) {
      different += std::isnan(actual[i]) != std::isnan(expected[i]) ? 1 : 0;
      if (std::isnan(actual[i]) || std::isnan(expected[i])) continue;
      written.push_back(actual[i]);
      wanted.push_back(expected[i]);
    }
    CHECK(different == 0);
    CHECK(!written.empty());
    CHECK(normalised_error(written, wanted) < tolerance(type));
  };
  check_written(keys.cuda.read(), keys.cpu.read());
  check_written(values.cuda.read(), values.cpu.read());
  const auto queries = [&](const Tensor& all) {
    const std::vector<float> elements = all.read();
    std::vector<float> q;
    for (int64_t t = 0; t < num_tokens; ++t) {
      const auto row = elements.begin() + t * row_size;
      q.insert(q.end(), row, row + heads.num_heads * dim);
    }
    return q;
  };
  check_written(queries(qkv.cuda), queries(qkv.cpu));
}

TEST_CASE("rope_append turns q and k and stores k and v in their pages, and nothing else") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const int head_dim : {8, 24, 32, 40, 64, 80, 96, 128, 256}) {
      for (const QkvHeads& heads : {QkvHeads{1, 1}, {4, 2}, {25, 25}, {71, 1}, {128, 8}}) {
        for (const bool rotate : {true, false}) {
          CAPTURE(dtype_name(type));
          CAPTURE(head_dim);
          CAPTURE(heads.num_heads);
          CAPTURE(heads.num_kv_heads);
          CAPTURE(rotate);
          check_rope_append(*devices, type, heads, head_dim, rotate);
        }
      }
    }
  }
}

TEST_CASE("prepare_decode feeds the next token, replays prompts and silences ended rows") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int kSlots = 300;
  constexpr int64_t kPromptsStride = 11;
  std::vector<SlotParams> params(kSlots);
  std::vector<SlotState> states(kSlots);
  std::vector<int32_t> prompts(kSlots * kPromptsStride);
  std::vector<int32_t> row_slots;
  for (int s = 0; s < kSlots; ++s) {
    params[s].prompt_len = 1 + s % 11;
    states[s] = {.next_token = 1000 + s,
                 .position = s % 13,
                 .num_generated = 0,
                 .status = s % 7 == 3 ? SlotStatus::kStop : SlotStatus::kRunning};
    if (s % 3 != 0) row_slots.insert(row_slots.begin(), s);
  }
  for (size_t i = 0; i < prompts.size(); ++i) prompts[i] = static_cast<int32_t>(50000 + i);
  const auto num_rows = static_cast<int64_t>(row_slots.size());

  const auto run = [&](const Context& ctx, bool replay) {
    const Table<SlotParams> param_table(ctx, params);
    const Table<SlotState> state_table(ctx, states);
    const Tensor prompt_table(ctx, {kSlots, kPromptsStride}, prompts);
    const Tensor slots(ctx, {num_rows}, row_slots);
    const Tensor out(ctx, DType::kI32, {3, num_rows});
    SlotTables tables;
    tables.params = param_table.data();
    tables.states = state_table.data();
    tables.prompts = replay ? prompt_table.as<int32_t>() : nullptr;
    tables.prompts_stride = kPromptsStride;
    auto* columns = out.as<int32_t>();
    ops::prepare_decode(ctx, columns, columns + num_rows, columns + 2 * num_rows,
                        slots.as<int32_t>(), static_cast<int>(num_rows), tables);
    return out.read_ints();
  };
  for (const bool replay : {false, true}) {
    CAPTURE(replay);
    const std::vector<int32_t> actual = run(devices->cuda, replay);
    CHECK(actual == run(devices->cpu, replay));
    CHECK(std::count(actual.begin(), actual.end(), -1) > 0);
  }
}

TEST_CASE("count_prompt_tokens marks prompt tokens once and keeps the counts") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int kSlots = 5;
  constexpr int64_t kVocab = 501;  // odd, so that rows begin at odd entries
  std::vector<int32_t> ids;
  std::vector<int32_t> positions;
  std::vector<int32_t> slots;
  for (int t = 0; t < 2000; ++t) {
    const bool is_pad = t % 9 == 0;
    ids.push_back(is_pad ? -1 : (t * 37) % 90 + (t % 2) * 411);  // repeats; neighbours; the last id
    positions.push_back(is_pad ? -1 : t);
    slots.push_back(t % kSlots);
  }
  std::vector<uint16_t> counts(kSlots * kVocab);
  for (size_t i = 0; i < counts.size(); i += 3) counts[i] = 5;

  const auto run = [&](const Context& ctx) {
    const Table<uint16_t> count_table(ctx, counts);
    const Tensor id_tensor(ctx, {2000}, ids);
    const Tensor position_tensor(ctx, {2000}, positions);
    const Tensor slot_tensor(ctx, {2000}, slots);
    SlotTables tables;
    tables.token_counts = count_table.data();
    tables.vocab_size = kVocab;
    ops::count_prompt_tokens(ctx, tables, id_tensor.as<int32_t>(), position_tensor.as<int32_t>(),
                             slot_tensor.as<int32_t>(), 2000);
    return count_table.read();
  };
  const std::vector<uint16_t> actual = run(devices->cuda);
  CHECK(actual == run(devices->cpu));
  CHECK(actual != counts);
}

TEST_CASE("fill_normal draws the same normal deviates on both devices") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const int64_t count : {1, 3, 1001, 5000003}) {
      CAPTURE(dtype_name(type));
      CAPTURE(count);
      const Pair out(*devices, type, {count});
      ops::fill_normal(devices->cuda, out.cuda, 0.5F, 2.0F, 0x123456789ABCDEFULL);
      ops::fill_normal(devices->cpu, out.cpu, 0.5F, 2.0F, 0x123456789ABCDEFULL);
      check_close(out.cuda, out.cpu);
    }
  }
  const Tensor out(devices->cuda, DType::kF32, {4000000});
  ops::fill_normal(devices->cuda, out, 0.0F, 1.0F, 7);
  double sum = 0;
  double sum_of_squares = 0;
  for (const float value : out.read()) {
    sum += value;
    sum_of_squares += static_cast<double>(value) * value;
  }
  CHECK(std::abs(sum / 4e6) < 5 * 0.0005);                     // five standard errors
  CHECK(std::abs(sum_of_squares / 4e6 - 1.0) < 5 * 0.000707);  // likewise
}

TEST_CASE("operations give the same bits 20 times over") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr int64_t kRows = 257;
  constexpr int64_t kHidden = 4096;
  const std::vector<float> values = random_values(kRows * kHidden, 1);
  const Tensor weight(devices->cuda, DType::kBF16, {kHidden}, random_values(kHidden, 2));
  std::vector<uint8_t> first_norm;
  std::vector<uint8_t> first_activation;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Tensor residual(devices->cuda, DType::kF32, {kRows, kHidden}, values);
    const Tensor normed(devices->cuda, DType::kBF16, {kRows, kHidden});
    const Tensor active(devices->cuda, DType::kBF16, {kRows, kHidden / 2});
    ops::add_norm(devices->cuda, normed, residual, {},
                  {.kind = NormKind::kLayerNorm, .eps = 1e-5F, .weight = weight});
    ops::activation(devices->cuda, active, normed, Activation::kSilu, true);
    if (repeat == 0) {
      first_norm = normed.read_bytes();
      first_activation = active.read_bytes();
    }
    CHECK(normed.read_bytes() == first_norm);
    CHECK(active.read_bytes() == first_activation);
  }
}

TEST_CASE("the clock of passes counts the time for which the device had nothing to do") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  constexpr std::chrono::milliseconds kPause(50);
  const Tensor values(devices->cuda, DType::kF32, {1 << 20});
  PassClock clock(devices->cuda);
  const auto pass = [&] {
    clock.begin();
    ops::fill_normal(devices->cuda, values, 0.0F, 1.0F, 1);
    clock.end();
  };
  pass();
  pass();
  CHECK(clock.collect() == 0);  // the first
  CHECK(clock.collect() < 0.01);
  std::this_thread::sleep_for(kPause);
  pass();
  CHECK(clock.collect() > 0.9 * std::chrono::duration<double>(kPause).count());
}

}  // namespace
}  // namespace eet::test
