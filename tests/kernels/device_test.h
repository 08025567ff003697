// What the kernel tests share: a CPU and a CUDA context, tensors between guard zones and full of
// NaN until written, and the error measure of the whole suite.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "lib/core/context.h"
#include "lib/core/memory.h"
#include "lib/core/tensor_view.h"
#include "lib/core/thread_pool.h"
#include "lib/cuda/cuda_context.h"

namespace eet::test {

// The two devices that every test compares. Made once, on first use.
struct Devices {
  ThreadPool pool{available_cores()};
  CudaContext cuda_context{0};
  Context cpu{.device = {}, .pool = &pool, .cuda = nullptr};
  Context cuda{
      .device = {.kind = Device::Kind::kCuda, .index = 0}, .pool = &pool, .cuda = &cuda_context};
};

// Null, with a message, where there is no usable GPU. Tests begin with
//   Devices* devices = gpu_or_skip();
//   if (devices == nullptr) return;
inline Devices* gpu_or_skip() {
  static const std::unique_ptr<Devices> devices = []() -> std::unique_ptr<Devices> {
    if (const auto reason = why_cuda_is_unavailable()) {
      std::printf("skipped: %s\n", reason->c_str());
      return nullptr;
    }
    return std::make_unique<Devices>();
  }();
  return devices.get();
}

// The floating types a CUDA operation computes in.
inline constexpr DType kComputeTypes[] = {DType::kF32, DType::kF16, DType::kBF16};

// ‖Δ‖/‖ref‖ that one operation may show: rounding of the output in T, with sums in fp32.
inline double tolerance(DType type) {
  switch (type) {
    case DType::kF16:
      return 1e-3;
    case DType::kBF16:
      return 5e-3;
    default:
      return 1e-5;
  }
}

// ‖actual - expected‖ / ‖expected‖; infinite where `actual` holds a NaN or sizes differ.
inline double normalised_error(const std::vector<float>& actual,
                               const std::vector<float>& expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double d = static_cast<double>(actual[i]) - expected[i];
    difference += d * d;
    norm += static_cast<double>(expected[i]) * expected[i];
  }
  if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
  if (norm == 0) return difference == 0 ? 0 : std::numeric_limits<double>::infinity();
  return std::sqrt(difference / norm);
}

// `count` values drawn evenly from mean ± sqrt(3) * stddev. Cheap, since the tests draw many.
inline std::vector<float> random_values(int64_t count, uint32_t seed, float stddev = 1.0F,
                                        float mean = 0.0F) {
  constexpr float kSqrt3 = 1.7320508F;
  std::vector<float> values(static_cast<size_t>(count));
  uint64_t state = seed;
  for (float& value : values) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;       // Knuth's MMIX generator
    const float unit = static_cast<float>(state >> 40) * 0x1p-23F - 1.0F;  // [-1, 1)
    value = mean + stddev * kSqrt3 * unit;
  }
  return values;
}

// The values as elements of `type` hold them, so that both devices start from the same numbers.
inline std::vector<float> rounded(const std::vector<float>& values, DType type) {
  std::vector<uint8_t> elements(values.size() * dtype_size(type));
  std::vector<float> result(values.size());
  convert_elements(elements.data(), type, values.data(), DType::kF32, values.size());
  convert_elements(result.data(), DType::kF32, elements.data(), type, values.size());
  return result;
}

// A tensor on one device between two guard zones. Every byte is 0xFF at first, a NaN in all
// floating types and -1 in integers: what is read beyond the inputs poisons the result, and what is
// written beyond the outputs is found by read().
class Tensor {
 public:
  // Poisoned: an output, or memory that must not be read.
  Tensor(const Context& ctx, DType type, std::initializer_list<int64_t> shape)
      : ctx_(&ctx), view_(nullptr, type, shape) {
    const size_t total = static_cast<size_t>(view_.bytes()) + 2 * kGuardBytes;
    buffer_ = allocate(ctx, total, "test tensor");
    fill_bytes(ctx, buffer_.data(), kPoison, total);
    view_.data = buffer_.as<uint8_t>() + kGuardBytes;
  }

  // With `values`, rounded to `type`.
  Tensor(const Context& ctx, DType type, std::initializer_list<int64_t> shape,
         const std::vector<float>& values)
      : Tensor(ctx, type, shape) {
    write(values);
  }

  Tensor(const Context& ctx, std::initializer_list<int64_t> shape,
         const std::vector<int32_t>& values)
      : Tensor(ctx, DType::kI32, shape) {
    write_bytes(values.data(), values.size() * sizeof(int32_t));
  }

  const TensorView& view() const { return view_; }
  operator TensorView() const { return view_; }  // NOLINT(google-explicit-constructor)
  template <typename T>
  T* as() const {
    return view_.as<T>();
  }

  void write(const std::vector<float>& values) {
    std::vector<uint8_t> elements(values.size() * dtype_size(view_.dtype));
    convert_elements(elements.data(), view_.dtype, values.data(), DType::kF32, values.size());
    write_bytes(elements.data(), elements.size());
  }

  // Those of a matrix's last row.
  std::vector<uint8_t> read_last_row_bytes() const {
    const std::vector<uint8_t> bytes = read_bytes();
    const auto row_bytes = static_cast<ptrdiff_t>(view_.dim(1)) * dtype_size(view_.dtype);
    return {bytes.end() - row_bytes, bytes.end()};
  }

  // The elements as fp32, after all work issued so far; checks the guard zones.
  std::vector<float> read() const {
    const std::vector<uint8_t> bytes = read_bytes();
    std::vector<float> values(static_cast<size_t>(view_.numel()));
    convert_elements(values.data(), DType::kF32, bytes.data(), view_.dtype, values.size());
    return values;
  }

  std::vector<int32_t> read_ints() const {
    const std::vector<uint8_t> bytes = read_bytes();
    std::vector<int32_t> values(static_cast<size_t>(view_.numel()));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  // The elements' bytes: for bit-for-bit comparisons.
  std::vector<uint8_t> read_bytes() const {
    std::vector<uint8_t> all(buffer_.bytes());
    download(*ctx_, all.data(), buffer_.data(), all.size());
    synchronize(*ctx_);
    const auto poisoned = [](uint8_t byte) { return byte == kPoison; };
    const auto elements = all.begin() + kGuardBytes;
    const auto after = elements + view_.bytes();
    CHECK_MESSAGE(std::all_of(all.begin(), elements, poisoned), "written before ", describe(view_));
    CHECK_MESSAGE(std::all_of(after, all.end(), poisoned), "written past ", describe(view_));
    return {elements, after};
  }

 private:
  // A multiple of the widest vector access, so that the elements stay aligned as allocate() does.
  static constexpr size_t kGuardBytes = 1024;
  static constexpr uint8_t kPoison = 0xFF;

  void write_bytes(const void* bytes, size_t count) {
    REQUIRE(count == static_cast<size_t>(view_.bytes()));
    upload(*ctx_, view_.data, bytes, count);
    synchronize(*ctx_);
  }

  const Context* ctx_;
  TensorView view_;
  Buffer buffer_;
};

// Plain structs on a device (slot tables), without guard zones.
template <typename T>
class Table {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Table(const Context& ctx, const std::vector<T>& rows)
      : ctx_(&ctx), count_(rows.size()), buffer_(allocate(ctx, bytes(), "test table")) {
    upload(ctx, buffer_.data(), rows.data(), bytes());
    synchronize(ctx);
  }
  T* data() const { return buffer_.template as<T>(); }
  std::vector<T> read() const {
    std::vector<T> rows(count_);
    download(*ctx_, rows.data(), buffer_.data(), bytes());
    synchronize(*ctx_);
    return rows;
  }

 private:
  size_t bytes() const { return count_ * sizeof(T); }

  const Context* ctx_;
  size_t count_;
  Buffer buffer_;
};

}  // namespace eet::test
