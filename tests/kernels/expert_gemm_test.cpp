// Products of rows with the matrices of their experts: the GPU against the CPU, and to the bit
// against itself with other tiles and other rows.
#include "kernels/expert_gemm.h"

#include <algorithm>
#include <cstring>

#include "lib/cuda/cuda_graph.h"
#include "lib/ops/cpu/gemm.h"
#include "lib/ops/cuda/dispatch.h"
#include "tests/kernels/experts_parts.h"

namespace eet::test {
namespace {

constexpr int kTileRows[] = {16, 32, 64, 128, 192};

struct Shape {
  int num_experts;
  int top_k;
  int64_t hidden;
  int64_t width;  // of an expert
};

// A layer's weights as both devices have them, in `type` on the GPU.
struct Layer {
  Layer(Devices& devices, DType dtype, const Shape& layer_shape, const ExpertActivation& gate,
        bool has_bias)
      : shape(layer_shape),
        type(dtype),
        activation(gate),
        up_size(shape.width * (gate.gated ? 2 : 1)),
        cpu_up(devices.cpu, DType::kF32,
               {shape.num_experts * ops::cpu::panel_elements(up_size, shape.hidden)}),
        cpu_down(devices.cpu, DType::kF32,
                 {shape.num_experts * ops::cpu::panel_elements(shape.hidden, shape.width)}),
        cuda_up(devices.cuda, type, {shape.num_experts, up_size, shape.hidden}),
        cuda_down(devices.cuda, type, {shape.num_experts, shape.hidden, shape.width}) {
    const auto fill = [&](const Tensor& panels, Tensor& matrices, int64_t out, int64_t in,
                          uint32_t seed) {
      const std::vector<float> values =
          rounded(random_values(shape.num_experts * out * in, seed, 0.1F), type);
      const int64_t size = ops::cpu::panel_elements(out, in);
      for (int64_t e = 0; e < shape.num_experts; ++e) {
        ops::cpu::pack_panels(devices.pool, panels.as<float>() + e * size,
                              values.data() + e * out * in, DType::kF32, out, in);
      }
      matrices.write(values);
    };
    fill(cpu_up, cuda_up, up_size, shape.hidden, 1);
    fill(cpu_down, cuda_down, shape.hidden, shape.width, 2);
    if (!has_bias) return;
    for (const Context* ctx : {&devices.cpu, &devices.cuda}) {
      const DType stored = ctx->on_cuda() ? type : DType::kF32;
      auto& biases = ctx->on_cuda() ? cuda_bias : cpu_bias;
      const auto add = [&](int64_t out, uint32_t seed) {
        biases.emplace_back(*ctx, stored, std::initializer_list<int64_t>{shape.num_experts, out},
                            rounded(random_values(shape.num_experts * out, seed), type));
      };
      add(up_size, 3);
      add(shape.hidden, 4);
    }
  }

  ExpertWeight weight(const Context& ctx, bool up) const {
    const Tensor& data = ctx.on_cuda() ? (up ? cuda_up : cuda_down) : (up ? cpu_up : cpu_down);
    return {.data = data,
            .num_experts = shape.num_experts,
            .in_features = up ? shape.hidden : shape.width,
            .out_features = up ? up_size : shape.hidden};
  }
  TensorView bias(const Context& ctx, bool up) const {
    const auto& biases = ctx.on_cuda() ? cuda_bias : cpu_bias;
    return biases.empty() ? TensorView() : biases[up ? 0 : 1].view();
  }

  Shape shape;
  DType type;
  ExpertActivation activation;
  int64_t up_size;
  Tensor cpu_up;
  Tensor cpu_down;
  Tensor cuda_up;
  Tensor cuda_down;
  std::vector<Tensor> cpu_bias;
  std::vector<Tensor> cuda_bias;
};

struct Input {
  std::vector<float> x;
  std::vector<float> logits;
  std::vector<int32_t> positions;
};

Input random_input(const Layer& layer, int64_t rows) {
  return {.x = rounded(random_values(rows * layer.shape.hidden, 5), layer.type),
          .logits = random_values(rows * layer.shape.num_experts, 6),
          .positions = positions_of(rows)};
}

// Rows [begin, end).
Input rows_of(const Layer& layer, const Input& input, int64_t begin, int64_t end) {
  const auto part = [&](const std::vector<float>& values, int64_t size) {
    return std::vector<float>(values.begin() + begin * size, values.begin() + end * size);
  };
  return {.x = part(input.x, layer.shape.hidden),
          .logits = part(input.logits, layer.shape.num_experts),
          .positions = positions_of(end - begin)};
}

// How the GPU multiplies: the kernel it takes by itself, and others that must give the same bits.
enum class Kernel { kFastest, kPortable, kPlain };

// The outputs of a pass; tile_rows 0: those that the operations choose.
struct Pass {
  std::vector<uint8_t> bytes;  // of [pairs, hidden]
  std::vector<float> values;
};

Pass run(const Context& ctx, const Layer& layer, const Input& input, int tile_rows = 0,
         Kernel kernel = Kernel::kFastest) {
  const Shape& shape = layer.shape;
  const auto rows = static_cast<int64_t>(input.positions.size());
  const int64_t pairs = rows * shape.top_k;
  const DType stored = ctx.on_cuda() ? layer.type : DType::kF32;
  const GroupsMemory memory(ctx, shape.num_experts, shape.top_k, rows);
  const ExpertGroups groups = memory.groups(rows, tile_rows);
  const Tensor positions(ctx, {rows}, input.positions);
  const Tensor logits(ctx, DType::kF32, {rows, shape.num_experts}, input.logits);
  const Tensor x(ctx, stored, {rows, shape.hidden}, input.x);
  const Tensor activated(ctx, stored, {pairs, shape.width});
  const Tensor out(ctx, stored, {pairs, shape.hidden});
  const Tensor gathered(ctx, stored, {pairs, shape.hidden});  // these two on the CPU alone
  const Tensor product_up(ctx, stored, {pairs, layer.weight(ctx, true).out_features});
  ops::route(ctx, groups, logits, {}, positions.as<int32_t>(),
             {.num_experts = shape.num_experts, .top_k = shape.top_k});
  if (kernel == Kernel::kFastest) {
    ops::experts_up(ctx, activated, x, groups, layer.weight(ctx, true), layer.bias(ctx, true),
                    layer.activation, {.gathered = gathered, .product = product_up});
    ops::experts_down(ctx, out, activated, groups, layer.weight(ctx, false), layer.bias(ctx, false),
                      {.product = gathered});
  } else {
    ops::cuda::dispatch(stored, [&]<typename T>() {
      const auto product = [&](const Tensor& from, bool up) {
        const ExpertWeight weight = layer.weight(ctx, up);
        return kernels::ExpertProduct<T>{.x = from.as<T>(),
                                         .weight = weight.data.as<T>(),
                                         .bias = layer.bias(ctx, up).as<T>(),
                                         .in_features = static_cast<int>(weight.in_features),
                                         .out_features = static_cast<int>(weight.out_features),
                                         .plain = kernel == Kernel::kPlain,
                                         .portable = true};
      };
      kernels::experts_up(activated.as<T>(), product(x, true), groups,
                          {.gated = layer.activation.gated,
                           .function = ops::cuda::to_kernel(layer.activation.kind),
                           .swiglu_limit = layer.activation.swiglu_limit},
                          ctx.cuda->stream());
      kernels::experts_down(out.as<T>(), product(activated, false), groups, ctx.cuda->stream());
    });
  }
  static_cast<void>(activated.read_bytes());  // checks the guards
  return {out.read_bytes(), out.read()};
}

// The bytes of a row's pairs.
std::vector<uint8_t> row_bytes(const Layer& layer, const Pass& pass, int64_t row) {
  const auto size = static_cast<int64_t>(layer.shape.top_k * layer.shape.hidden *
                                         static_cast<int64_t>(dtype_size(layer.type)));
  return {pass.bytes.begin() + row * size, pass.bytes.begin() + (row + 1) * size};
}

// The error of two products, each rounded to T.
double product_tolerance(DType type) {
  return 3 * tolerance(type);
}

constexpr Shape kShapes[] = {
    {.num_experts = 8, .top_k = 2, .hidden = 64, .width = 32},
    {.num_experts = 4, .top_k = 2, .hidden = 200, .width = 136},   // tiles are cut everywhere
    {.num_experts = 16, .top_k = 4, .hidden = 136, .width = 200},  // likewise
    {.num_experts = 5, .top_k = 3, .hidden = 72, .width = 8},
    {.num_experts = 3, .top_k = 1, .hidden = 50, .width = 37},  // not for tensor cores
};

}  // namespace

TEST_CASE("products with experts match the CPU's, whatever the rows, types and tiles") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const Shape& shape : kShapes) {
      const int64_t hidden = shape.hidden;
      CAPTURE(dtype_name(type));
      CAPTURE(hidden);
      const Layer layer(*devices, type, shape, {}, /*has_bias=*/true);
      for (const int64_t rows : {1, 5, 41, 330}) {
        CAPTURE(rows);
        const Input input = random_input(layer, rows);
        const Pass expected = run(devices->cpu, layer, input);
        const Pass pass = run(devices->cuda, layer, input);
        CHECK(normalised_error(pass.values, expected.values) < product_tolerance(type));
        for (const int tile_rows : kTileRows) {
          CAPTURE(tile_rows);
          CHECK(run(devices->cuda, layer, input, tile_rows).bytes == pass.bytes);
          CHECK(run(devices->cuda, layer, input, tile_rows, Kernel::kPortable).bytes == pass.bytes);
        }
        const Pass plain = run(devices->cuda, layer, input, 0, Kernel::kPlain);
        CHECK(normalised_error(plain.values, expected.values) < product_tolerance(type));
      }
    }
  }
}

TEST_CASE("experts' activations match the CPU's") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Shape shape{.num_experts = 6, .top_k = 2, .hidden = 96, .width = 72};
  for (const DType type : kComputeTypes) {
    for (const ExpertActivation& activation :
         {ExpertActivation{.kind = Activation::kGeluTanh},
          {.kind = Activation::kGeluErf},
          {.kind = Activation::kRelu},
          {.kind = Activation::kReluSquared},
          {.swiglu_limit = 0.7F},
          {.kind = Activation::kSilu, .gated = false},
          {.kind = Activation::kReluSquared, .gated = false}}) {
      const bool has_bias = activation.gated;
      const Layer layer(*devices, type, shape, activation, has_bias);
      for (const int64_t rows : {3, 200}) {
        const Input input = random_input(layer, rows);
        const Pass expected = run(devices->cpu, layer, input);
        for (const int tile_rows : kTileRows) {
          const auto kind = static_cast<int>(activation.kind);
          CAPTURE(dtype_name(type));
          CAPTURE(kind);
          CAPTURE(tile_rows);
          const Pass pass = run(devices->cuda, layer, input, tile_rows);
          CHECK(normalised_error(pass.values, expected.values) < product_tolerance(type));
        }
      }
    }
  }
}

TEST_CASE("a row's products have the same bits alone and in any batch") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kComputeTypes) {
    for (const Shape& shape : kShapes) {
      const int64_t hidden = shape.hidden;
      CAPTURE(dtype_name(type));
      CAPTURE(hidden);
      const Layer layer(*devices, type, shape, {}, /*has_bias=*/false);
      const int64_t rows = 517;
      const Input input = random_input(layer, rows);
      const Pass all = run(devices->cuda, layer, input);
      for (const int64_t row : {0, 100, 516}) {
        const Pass alone = run(devices->cuda, layer, rows_of(layer, input, row, row + 1));
        CHECK(alone.bytes == row_bytes(layer, all, row));
      }
      const Pass some = run(devices->cuda, layer, rows_of(layer, input, 90, 160));
      CHECK(row_bytes(layer, some, 10) == row_bytes(layer, all, 100));
    }
  }
}

TEST_CASE("experts that no row chose are not read, idle rows are not touched") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Shape shape{.num_experts = 8, .top_k = 2, .hidden = 128, .width = 64};
  for (const DType type : kComputeTypes) {
    CAPTURE(dtype_name(type));
    const Layer layer(*devices, type, shape, {}, /*has_bias=*/true);
    Input input = random_input(layer, 150);
    for (int64_t row = 0; row < 150; ++row) {
      // Experts 2 and 5 alone; some rows are idle, and NaN.
      for (int e = 0; e < 8; ++e) input.logits[row * 8 + e] = e == 2 || e == 5 ? 9.0F : 0.0F;
      if (row % 3 != 1) continue;
      input.positions[row] = -1;
      std::fill_n(input.x.begin() + row * 128, 128, std::numeric_limits<float>::quiet_NaN());
    }
    const Pass expected = run(devices->cpu, layer, input);
    for (const Tensor* matrices : {&layer.cuda_up, &layer.cuda_down}) {
      for (const int e : {0, 1, 3, 4, 6, 7}) {
        const int64_t bytes = matrices->view().bytes() / 8;
        fill_bytes(devices->cuda, matrices->as<uint8_t>() + e * bytes, 0xFF,
                   static_cast<size_t>(bytes));
      }
    }
    for (const int tile_rows : kTileRows) {
      CAPTURE(tile_rows);
      const Pass pass = run(devices->cuda, layer, input, tile_rows);
      std::vector<float> got;
      std::vector<float> want;
      const int64_t row_size = 2 * shape.hidden;
      for (int64_t row = 0; row < 150; ++row) {
        const auto begin = row * row_size;
        if (row % 3 == 1) {
          const std::vector<uint8_t> bytes = row_bytes(layer, pass, row);
          CHECK(std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0xFF; }));
          continue;
        }
        got.insert(got.end(), pass.values.begin() + begin, pass.values.begin() + begin + row_size);
        want.insert(want.end(), expected.values.begin() + begin,
                    expected.values.begin() + begin + row_size);
      }
      CHECK(normalised_error(got, want) < product_tolerance(type));
    }
  }
}

TEST_CASE("a row with NaN poisons its own products alone") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Shape shape{.num_experts = 4, .top_k = 2, .hidden = 64, .width = 64};
  for (const DType type : kComputeTypes) {
    const Layer layer(*devices, type, shape, {}, /*has_bias=*/true);
    Input input = random_input(layer, 70);
    const Pass before = run(devices->cuda, layer, input);
    input.x[33 * 64 + 5] = std::numeric_limits<float>::quiet_NaN();
    const Pass after = run(devices->cuda, layer, input);
    for (int64_t row = 0; row < 70; ++row) {
      if (row != 33) CHECK(row_bytes(layer, before, row) == row_bytes(layer, after, row));
    }
    CHECK(std::isnan(after.values[33 * 2 * 64]));
  }
}

TEST_CASE("a block of experts can be a graph whose inputs change") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Context& ctx = devices->cuda;
  const Shape shape{.num_experts = 16, .top_k = 4, .hidden = 128, .width = 96};
  const Layer layer(*devices, DType::kBF16, shape, {}, /*has_bias=*/true);
  const int64_t rows = 50;
  const GroupsMemory memory(ctx, shape.num_experts, shape.top_k, rows);
  const ExpertGroups groups = memory.groups(rows);
  const Tensor positions(ctx, {rows}, positions_of(rows));
  Tensor logits(ctx, DType::kF32, {rows, shape.num_experts}, random_values(rows * 16, 1));
  const Tensor x(ctx, DType::kBF16, {rows, shape.hidden}, random_values(rows * shape.hidden, 2));
  const Tensor activated(ctx, DType::kBF16, {rows * shape.top_k, shape.width});
  const Tensor expert_out(ctx, DType::kBF16, {rows * shape.top_k, shape.hidden});
  const Tensor out(ctx, DType::kBF16, {rows, shape.hidden});
  const auto block = [&] {
    ops::route(ctx, groups, logits, {}, positions.as<int32_t>(),
               {.num_experts = shape.num_experts, .top_k = shape.top_k, .normalise = true});
    ops::experts_up(ctx, activated, x, groups, layer.weight(ctx, true), layer.bias(ctx, true),
                    layer.activation);
    ops::experts_down(ctx, expert_out, activated, groups, layer.weight(ctx, false),
                      layer.bias(ctx, false));
    ops::combine_experts(ctx, out, expert_out, groups, {});
  };
  block();
  const CudaGraph graph(*ctx.cuda, block);
  for (const uint32_t seed : {7U, 8U}) {
    logits.write(random_values(rows * 16, seed));
    graph.launch(*ctx.cuda);
    const std::vector<uint8_t> replayed = out.read_bytes();
    block();
    CHECK(out.read_bytes() == replayed);
  }
}

}  // namespace eet::test
