// Products of few rows: against the CPU, against the kernels they stand for, and to the bit against
// themselves and cuBLASLt with other numbers of rows.
#include "kernels/skinny_gemm.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <span>

#include "kernels/activation.h"
#include "lib/cuda/cublas_lt.h"
#include "lib/ops/cpu/gemm.h"
#include "lib/ops/ops.h"
#include "tests/kernels/device_test.h"

namespace eet::test {
namespace {

using kernels::ActivationFunction;
using kernels::SkinnyProduct;

constexpr DType kTypes[] = {DType::kF16, DType::kBF16};

// Calls body.operator()<T>() with the device type of `type`.
template <typename Body>
void with_type(DType type, Body body) {
  type == DType::kF16 ? body.template operator()<__half>()
                      : body.template operator()<__nv_bfloat16>();
}

// The kernel of this GPU and that of all GPUs.
enum class Kernel { kFastest, kPortable };
constexpr Kernel kKernels[] = {Kernel::kFastest, Kernel::kPortable};

struct Shape {
  int64_t out_features;
  int64_t in_features;
};

int64_t max_rows(Kernel kernel, const Shape& shape, bool gated) {
  return kernel == Kernel::kPortable ? kernels::kMaxSkinnyRows
                                     : kernels::max_skinny_rows(shape.out_features, gated);
}

template <typename T>
SkinnyProduct<T> product_of(const TensorView& x, const TensorView& weight, const TensorView& bias,
                            Kernel kernel, bool gated) {
  REQUIRE(kernels::is_skinny(x.dim(0), x.dim(1), weight.dim(0), gated, x.data, weight.data));
  return {.x = x.as<T>(),
          .weight = weight.as<T>(),
          .bias = bias.as<T>(),
          .num_rows = static_cast<int>(x.dim(0)),
          .in_features = static_cast<int>(x.dim(1)),
          .out_features = static_cast<int>(weight.dim(0)),
          .portable = kernel == Kernel::kPortable};
}

void skinny_linear(const Context& ctx, const TensorView& out, const TensorView& x,
                   const TensorView& weight, const TensorView& bias, Kernel kernel) {
  with_type(x.dtype, [&]<typename T>() {
    const SkinnyProduct<T> product = product_of<T>(x, weight, bias, kernel, /*gated=*/false);
    if (out.dtype == DType::kF32) {
      kernels::skinny_linear(out.as<float>(), product, ctx.cuda->stream());
    } else {
      kernels::skinny_linear(out.as<T>(), product, ctx.cuda->stream());
    }
  });
}

// x · weightᵀ + bias by the CPU, of the values as `type` holds them.
std::vector<float> expected_product(Devices& devices, DType type, const Shape& shape, int64_t n,
                                    const std::vector<float>& x, const std::vector<float>& weight,
                                    const std::vector<float>& bias) {
  const Tensor panels(devices.cpu, DType::kF32,
                      {ops::cpu::panel_elements(shape.out_features, shape.in_features)});
  ops::cpu::pack_panels(devices.pool, panels.as<float>(), rounded(weight, type).data(), DType::kF32,
                        shape.out_features, shape.in_features);
  const Tensor cpu_x(devices.cpu, DType::kF32, {n, shape.in_features}, rounded(x, type));
  const Tensor cpu_bias(devices.cpu, DType::kF32, {shape.out_features}, rounded(bias, type));
  const Tensor out(devices.cpu, DType::kF32, {n, shape.out_features});
  ops::linear(devices.cpu, out, cpu_x,
              {.data = panels,
               .in_features = shape.in_features,
               .out_features = shape.out_features,
               .padded_out = shape.out_features},
              cpu_bias);
  return out.read();
}

void check_against_cpu(Devices& devices, DType type, const Shape& shape,
                       std::initializer_list<int64_t> numbers_of_rows) {
  const float stddev = 1.0F / std::sqrt(static_cast<float>(shape.in_features));
  const auto weights = random_values(shape.out_features * shape.in_features, 1, stddev);
  const auto biases = random_values(shape.out_features, 2);
  const Tensor weight(devices.cuda, type, {shape.out_features, shape.in_features}, weights);
  const Tensor bias(devices.cuda, type, {shape.out_features}, biases);
  for (const int64_t n : numbers_of_rows) {
    CAPTURE(dtype_name(type));
    CAPTURE(shape.out_features);
    CAPTURE(shape.in_features);
    CAPTURE(n);
    const auto values = random_values(n * shape.in_features, 3);
    const Tensor x(devices.cuda, type, {n, shape.in_features}, values);
    const auto expected = expected_product(devices, type, shape, n, values, weights, biases);
    for (const Kernel kernel : kKernels) {
      if (n > max_rows(kernel, shape, /*gated=*/false)) continue;
      for (const DType out_type : {type, DType::kF32}) {
        const Tensor out(devices.cuda, out_type, {n, shape.out_features});
        skinny_linear(devices.cuda, out, x, weight, bias, kernel);
        // One chain of sums errs with its length: 1.24e-5 at 14336, with cuBLASLt's bits.
        const double length_factor = shape.in_features > 8192 ? 2 : 1;
        CHECK(normalised_error(out.read(), expected) < length_factor * tolerance(out_type));
      }
    }
  }
}

TEST_CASE("a skinny product matches the CPU on all tilings, odd sizes and numbers of rows") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  // One, two and four warps a block, one and several tiles; tokens and weights first; rows, chunks
  // and stages that are not full.
  const Shape shapes[] = {{1, 8},     {7, 16},     {100, 120},   {333, 136},
                          {768, 768}, {768, 3072}, {1600, 1600}, {4800, 1600},
                          {8500, 72}, {40, 14336}, {2600, 2648}};
  for (const DType type : kTypes) {
    for (const Shape& shape : shapes) {
      check_against_cpu(*devices, type, shape, {1, 3, 8, 9, 16, 17, 31, 32, 33, 50, 64});
    }
  }
}

// Products of more than 64 rows, with sizes that fill no block, no chunk, and no 16 bytes of the
// output. On an H100, for up to 128 rows and up to 256: blocks of 32, 48, 64, 80, 96 or 112 rows of
// the weight and 64 tokens; of 64 to 256 rows and 128 tokens; of two turns.
constexpr Shape kPairShapes[] = {{1050, 8200}, {2100, 1104}, {3001, 600}, {4200, 520},
                                 {5000, 1000}, {6203, 504},  {7003, 400}, {8300, 136},
                                 {12500, 72},  {16001, 200}, {25001, 136}};
// 64, 72, 96, 112 and 128 gates to a block and their partners.
constexpr Shape kGatedPairShapes[] = {{7998, 200},  {12000, 1104}, {14000, 600},
                                      {16000, 200}, {18000, 136},  {28002, 600}};

TEST_CASE("a product of 65 to 256 rows matches the CPU on all tilings") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  for (const DType type : kTypes) {
    for (const Shape& shape : kPairShapes) {
      check_against_cpu(*devices, type, shape, {65, 100, 128, 129, 200, 256});
    }
  }
}

// Random matrices drawn on the device, done before the next kernel starts.
Tensor drawn(const Context& ctx, DType type, int64_t rows, int64_t columns, float stddev,
             uint64_t seed) {
  Tensor matrix(ctx, type, {rows, columns});
  ops::fill_normal(ctx, matrix, 0.0F, stddev, seed);
  synchronize(ctx);
  return matrix;
}

constexpr ActivationFunction kFunctions[] = {
    ActivationFunction::kSilu, ActivationFunction::kGeluTanh, ActivationFunction::kGeluErf,
    ActivationFunction::kRelu, ActivationFunction::kReluSquared};

TEST_CASE("a skinny product with an activation is the product and the activation to the bit") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Context& ctx = devices->cuda;
  constexpr int64_t kIn = 768;
  constexpr int64_t kOut = 3080;
  for (const DType type : kTypes) {
    const Tensor weight = drawn(ctx, type, kOut, kIn, 0.05F, 1);
    const Tensor bias = drawn(ctx, type, 1, kOut, 1.0F, 2);
    for (const int64_t n : {1, 8, 13, 32, 47, 64}) {
      const Tensor x = drawn(ctx, type, n, kIn, 1.0F, 3);
      for (const Kernel kernel : kKernels) {
        if (n > max_rows(kernel, {kOut, kIn}, /*gated=*/false)) continue;
        const Tensor product(ctx, type, {n, kOut});
        skinny_linear(ctx, product, x, weight, bias, kernel);
        for (const ActivationFunction function : kFunctions) {
          for (const bool gated : {false, true}) {
            CAPTURE(dtype_name(type));
            CAPTURE(n);
            CAPTURE(static_cast<int>(kernel));
            CAPTURE(static_cast<int>(function));
            CAPTURE(gated);
            const int64_t width = gated ? kOut / 2 : kOut;
            const Tensor expected(ctx, type, {n, width});
            const Tensor actual(ctx, type, {n, width});
            with_type(type, [&]<typename T>() {
              const auto activation = gated ? kernels::gated_activation<T> : kernels::activation<T>;
              const auto fused = gated ? kernels::skinny_linear_gated_activation<T>
                                       : kernels::skinny_linear_activation<T>;
              cudaStream_t stream = ctx.cuda->stream();
              activation(expected.as<T>(), product.as<T>(), static_cast<int>(n), width, function,
                         stream);
              fused(actual.as<T>(), product_of<T>(x, weight, bias, kernel, gated), function,
                    stream);
            });
            CHECK(actual.read_bytes() == expected.read_bytes());
          }
        }
      }
    }
  }
}

// x · weightᵀ + bias by the portable kernel, a few rows at a time.
Tensor portable_product(const Context& ctx, const TensorView& x, const TensorView& weight,
                        const TensorView& bias) {
  Tensor out(ctx, x.dtype, {x.dim(0), weight.dim(0)});
  for (int64_t begin = 0; begin < x.dim(0); begin += kernels::kMaxSkinnyRows) {
    const int64_t n = std::min<int64_t>(kernels::kMaxSkinnyRows, x.dim(0) - begin);
    const auto rows = [&](const TensorView& view) {
      const int64_t offset = begin * view.dim(1) * static_cast<int64_t>(dtype_size(view.dtype));
      return TensorView(view.as<char>() + offset, view.dtype, {n, view.dim(1)});
    };
    skinny_linear(ctx, rows(out), rows(x), weight, bias, Kernel::kPortable);
  }
  return out;
}

// Short enough for compute-sanitizer.
TEST_CASE("a product of 65 to 256 rows has the portable kernel's bits") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Context& ctx = devices->cuda;
  constexpr DType kType = DType::kBF16;
  for (const Shape& shape : kPairShapes) {
    const Tensor weight = drawn(ctx, kType, shape.out_features, shape.in_features, 0.02F, 1);
    const Tensor bias = drawn(ctx, kType, 1, shape.out_features, 1.0F, 2);
    for (const int64_t n : {100, 200}) {
      if (n > max_rows(Kernel::kFastest, shape, /*gated=*/false)) continue;
      CAPTURE(shape.out_features);
      CAPTURE(n);
      const Tensor x = drawn(ctx, kType, n, shape.in_features, 1.0F, 3);
      const Tensor out(ctx, kType, {n, shape.out_features});
      skinny_linear(ctx, out, x, weight, bias, Kernel::kFastest);
      CHECK(out.read_bytes() == portable_product(ctx, x, weight, bias).read_bytes());
    }
  }
}

TEST_CASE("a product of 65 to 256 rows with an activation is the product and the activation") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Context& ctx = devices->cuda;
  for (const bool gated : {false, true}) {
    for (const Shape& shape : gated ? std::span<const Shape>(kGatedPairShapes) : kPairShapes) {
      for (const DType type : kTypes) {
        const Tensor weight = drawn(ctx, type, shape.out_features, shape.in_features, 0.05F, 1);
        const Tensor biases = drawn(ctx, type, 1, shape.out_features, 1.0F, 2);
        for (const int64_t n : {65, 72, 100, 128, 129, 200, 256}) {
          if (n > max_rows(Kernel::kFastest, shape, gated)) continue;
          const Tensor x = drawn(ctx, type, n, shape.in_features, 1.0F, 3);
          const int64_t width = gated ? shape.out_features / 2 : shape.out_features;
          for (const ActivationFunction function : kFunctions) {
            for (const bool biased : {false, true}) {
              CAPTURE(gated);
              CAPTURE(dtype_name(type));
              CAPTURE(shape.out_features);
              CAPTURE(n);
              CAPTURE(static_cast<int>(function));
              CAPTURE(biased);
              const TensorView bias = biased ? biases.view() : TensorView();
              const Tensor product = portable_product(ctx, x, weight, bias);
              const Tensor expected(ctx, type, {n, width});
              const Tensor actual(ctx, type, {n, width});
              with_type(type, [&]<typename T>() {
                const auto activation =
                    gated ? kernels::gated_activation<T> : kernels::activation<T>;
                const auto fused = gated ? kernels::skinny_linear_gated_activation<T>
                                         : kernels::skinny_linear_activation<T>;
                cudaStream_t stream = ctx.cuda->stream();
                activation(expected.as<T>(), product.as<T>(), static_cast<int>(n), width, function,
                           stream);
                fused(actual.as<T>(), product_of<T>(x, weight, bias, Kernel::kFastest, gated),
                      function, stream);
              });
              CHECK(actual.read_bytes() == expected.read_bytes());
            }
          }
        }
      }
    }
  }
}

// Products of real models, each with its LM head last: qkv, attention out, up (or gate and up),
// down.
constexpr Shape kModelShapes[] = {
    {2304, 768},  {768, 768},   {3072, 768},   {768, 3072},   {50304, 768},    // GPT-2 124M
    {4800, 1600}, {1600, 1600}, {6400, 1600},  {1600, 6400},  {50304, 1600},   // GPT-2 XL
    {3072, 2048}, {2048, 2048}, {16384, 2048}, {2048, 8192},  {128256, 2048},  // Llama-3.2 1B
    {6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}, {128256, 4096},  // Llama-3 8B
    {1152, 896},  {896, 896},   {9728, 896},   {896, 4864},   {151936, 896},   // Qwen2.5 0.5B
    {4608, 3584}, {3584, 3584}, {37888, 3584}, {3584, 18944}, {152064, 3584},  // Qwen2.5 7B
};
constexpr int64_t kMaxRows = 256;

// A row of a result, as bytes.
std::vector<uint8_t> row_bytes(const std::vector<uint8_t>& all, int64_t rows, int64_t row) {
  const auto size = static_cast<std::ptrdiff_t>(all.size()) / rows;
  return {all.begin() + row * size, all.begin() + (row + 1) * size};
}

// Elements of 16 bits that differ.
int64_t count_differences(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  int64_t count = 0;
  for (size_t i = 0; i + 2 <= a.size(); i += 2) count += std::memcmp(&a[i], &b[i], 2) != 0;
  return count;
}

TEST_CASE("a row of a skinny product has the same bits for every number of rows") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Context& ctx = devices->cuda;
  for (const DType type : kTypes) {
    // Tokens first with 16, 24 and 32 rows at all n or above 32, weights first with one block and
    // two on an SM.
    for (const Shape& shape :
         {Shape{768, 3072}, Shape{3000, 3072}, Shape{4200, 4608}, Shape{2304, 768},
          Shape{4800, 1600}, Shape{17000, 520}, Shape{4096, 4096}, Shape{16384, 2048}}) {
      const Tensor weight = drawn(ctx, type, shape.out_features, shape.in_features, 0.02F, 1);
      const Tensor x = drawn(ctx, type, kMaxRows, shape.in_features, 1.0F, 2);
      for (const bool gated : {false, true}) {
        std::vector<uint8_t> first;  // by both kernels
        for (const Kernel kernel : kKernels) {
          for (int64_t n = 1; n <= max_rows(kernel, shape, gated); n += n < 64 ? 1 : 12) {
            const Tensor out(ctx, type, {n, gated ? shape.out_features / 2 : shape.out_features});
            if (gated) {
              with_type(type, [&]<typename T>() {
                kernels::skinny_linear_gated_activation(
                    out.as<T>(), product_of<T>(x.view().first(n), weight, {}, kernel, gated),
                    ActivationFunction::kSilu, ctx.cuda->stream());
              });
            } else {
              skinny_linear(ctx, out, x.view().first(n), weight, {}, kernel);
            }
            const std::vector<uint8_t> row = row_bytes(out.read_bytes(), n, 0);
            if (first.empty()) first = row;
            CAPTURE(dtype_name(type));
            CAPTURE(shape.out_features);
            CAPTURE(gated);
            CAPTURE(static_cast<int>(kernel));
            CAPTURE(n);
            CHECK(row == first);
          }
        }
      }
    }
  }
}

// Reported, not asserted: where a line says 0, skinny products may take the place of cuBLASLt's for
// few rows without changing a bit of any row.
TEST_CASE("the bits of skinny products are compared with cuBLASLt's for each number of rows") {
  Devices* devices = gpu_or_skip();
  if (devices == nullptr) return;
  const Context& ctx = devices->cuda;
  for (const DType type : kTypes) {
    for (const Shape& shape : kModelShapes) {
      const Tensor weight = drawn(ctx, type, shape.out_features, shape.in_features, 0.02F, 1);
      const Tensor x = drawn(ctx, type, kMaxRows, shape.in_features, 1.0F, 2);
      const Tensor bias = drawn(ctx, type, 1, shape.out_features, 1.0F, 3);
      const bool is_head = shape.out_features > 40000;
      const DType out_type = is_head ? DType::kF32 : type;
      const TensorView used_bias = is_head ? TensorView() : bias.view();
      const auto run = [&](int64_t n, bool skinny) {
        const Tensor out(ctx, out_type, {n, shape.out_features});
        if (skinny) {
          skinny_linear(ctx, out, x.view().first(n), weight, used_bias, Kernel::kFastest);
        } else {
          ctx.cuda->blas().linear(out, x.view().first(n), weight, used_bias, ctx.cuda->stream());
        }
        return out.read_bytes();
      };
      const std::vector<uint8_t> skinny = run(16, true);
      std::string line;
      for (const int64_t n : {1, 2, 4, 8, 12, 16, 17, 24, 32, 48, 64, 96, 128, 200, 256}) {
        const std::vector<uint8_t> other = run(n, false);
        int64_t differences = 0;
        for (int64_t row = 0; row < std::min<int64_t>(n, 16); ++row) {
          differences += count_differences(row_bytes(skinny, 16, row), row_bytes(other, n, row));
        }
        line += " " + std::to_string(n) + ":" + std::to_string(differences);
      }
      std::printf("%s %lldx%lld (out x in): 16-bit words unlike cuBLASLt's with n rows:%s\n",
                  std::string(dtype_name(type)).c_str(), static_cast<long long>(shape.out_features),
                  static_cast<long long>(shape.in_features), line.c_str());
      CHECK(!skinny.empty());
    }
  }
}

}  // namespace
}  // namespace eet::test
