#include "lib/cuda/cublas_lt.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/cuda_check.h"
#include "lib/core/error.h"
#include "lib/cuda/cublas_lt_library.h"
#include "lib/cuda/cuda_faults.h"
#include "lib/cuda/cuda_memory.h"

#define CUBLAS_CHECK(call)                                              \
  do {                                                                  \
    const cublasStatus_t eet_cublas_status = (call);                    \
    if (eet_cublas_status != CUBLAS_STATUS_SUCCESS)                     \
      throw_cublas_error(eet_cublas_status, #call, __FILE__, __LINE__); \
  } while (0)

namespace eet {
namespace {

// cuBLASLt only says that it failed; CUDA says whether a fault of the device is the reason.
[[noreturn]] void throw_cublas_error(cublasStatus_t code, const char* call, const char* file,
                                     int line) {
  const cudaError_t reason = cudaDeviceSynchronize();
  if (is_device_fault(reason)) throw CudaError(reason, call, file, line);
  cudaGetLastError();  // another reason must not surface at the next launch check
  throw CublasError(code, call, file, line);
}

cudaDataType_t cuda_type(DType type) {
  switch (type) {
    case DType::kF32:
      return CUDA_R_32F;
    case DType::kF16:
      return CUDA_R_16F;
    case DType::kBF16:
      return CUDA_R_16BF;
    case DType::kI32:
      break;
  }
  throw Error(concat("matrix product: expected fp32, fp16 or bf16, got ", dtype_name(type)));
}

// The largest power of two up to 16 that divides every address: kernels load 16 bytes at most.
uint32_t common_alignment(std::initializer_list<const void*> addresses) {
  uintptr_t bits = 16;
  for (const void* address : addresses) bits |= reinterpret_cast<uintptr_t>(address);
  return static_cast<uint32_t>(bits & (~bits + 1));
}

// The row count whose algorithm serves n rows: one for all up to 128, then one for 256, then four
// for each octave, where tiles per wave begin to count. Below 128 rows a product is bound by the
// weight's bytes, and the heuristics' own answers for few rows of a long sum count on split-K,
// which is off: on an H100, bf16, [n, 14336] x [4096] took 303 us for n <= 32 by them and 44 us by
// the algorithm of n = 128; [n, 3072] x [768] 75 and 7 us. The price is up to 9 % on wide outputs
// (28672 x 4096: 89 us against 82 at n = 1). In fp32, without matrix units, few rows in the tile of
// many are wasted work instead ([1, 4096] x [4096]: 686 us against 122), so 16 is the smallest
// there.
int64_t row_bucket(int64_t n, DType type) {
  const int64_t smallest = type == DType::kF32 ? 16 : 128;
  const auto octave = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(n)));
  if (n <= 256) return std::max(octave, smallest);
  const int64_t step = octave / 8;
  return (n + step - 1) / step * step;
}

class MatrixLayout {
 public:
  MatrixLayout(DType type, int64_t rows, int64_t cols, int64_t leading_dimension) {
    CUBLAS_CHECK(cublas_lt().layout_create(&layout_, cuda_type(type), static_cast<uint64_t>(rows),
                                           static_cast<uint64_t>(cols), leading_dimension));
  }
  ~MatrixLayout() { cublas_lt().layout_destroy(layout_); }
  MatrixLayout(const MatrixLayout&) = delete;
  MatrixLayout& operator=(const MatrixLayout&) = delete;

  void set_cols(int64_t cols) {
    const auto value = static_cast<uint64_t>(cols);
    CUBLAS_CHECK(cublas_lt().layout_set_attribute(layout_, CUBLASLT_MATRIX_LAYOUT_COLS, &value,
                                                  sizeof(value)));
  }
  cublasLtMatrixLayout_t get() const { return layout_; }

 private:
  cublasLtMatrixLayout_t layout_ = nullptr;
};

class MatmulDescriptor {
 public:
  MatmulDescriptor() {
    CUBLAS_CHECK(cublas_lt().desc_create(&descriptor_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  }
  ~MatmulDescriptor() { cublas_lt().desc_destroy(descriptor_); }
  MatmulDescriptor(const MatmulDescriptor&) = delete;
  MatmulDescriptor& operator=(const MatmulDescriptor&) = delete;

  template <typename Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    CUBLAS_CHECK(cublas_lt().desc_set_attribute(descriptor_, attribute, &value, sizeof(value)));
  }
  cublasLtMatmulDesc_t get() const { return descriptor_; }

 private:
  cublasLtMatmulDesc_t descriptor_ = nullptr;
};

class MatmulPreference {
 public:
  MatmulPreference() { CUBLAS_CHECK(cublas_lt().preference_create(&preference_)); }
  ~MatmulPreference() { cublas_lt().preference_destroy(preference_); }
  MatmulPreference(const MatmulPreference&) = delete;
  MatmulPreference& operator=(const MatmulPreference&) = delete;

  template <typename Value>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
    CUBLAS_CHECK(
        cublas_lt().preference_set_attribute(preference_, attribute, &value, sizeof(value)));
  }
  cublasLtMatmulPreference_t get() const { return preference_; }

 private:
  cublasLtMatmulPreference_t preference_ = nullptr;
};

}  // namespace

CublasError::CublasError(cublasStatus_t code, const char* call, const char* file, int line)
    : std::runtime_error(concat(file, ":", line, ": ", call, ": ", cublas_lt().status_name(code),
                                ": ", cublas_lt().status_string(code))),
      code_(code) {}

namespace {

constexpr int kMaxProposals = 24;

std::filesystem::path cache_file(std::string device_name) {
  const auto is_plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (char& c : device_name) {
    if (!is_plain(c)) c = '-';
  }
  return user_cache_file(concat("cublaslt-", cublas_lt().version(), '-', device_name, ".txt"));
}

// Times what is put on a stream.
class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream) : stream_(stream) {
    CUDA_CHECK(cudaEventCreate(&begin_));
    CUDA_CHECK(cudaEventCreate(&end_));
  }
  ~Stopwatch() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // The median of three measurements of about a millisecond. Where the first run takes longer than
  // `hopeless` seconds (0: never), that.
  double seconds_per_run(const std::function<void(size_t)>& run, double hopeless) const {
    constexpr double kSeconds = 1e-3;
    const double first = seconds_of(run, 1);
    if (hopeless > 0 && first > std::max(hopeless, kSeconds)) return first;
    const auto runs = static_cast<size_t>(std::clamp(kSeconds / first, 1.0, 50.0));
    std::array<double, 3> seconds{};
    for (double& each : seconds) each = seconds_of(run, runs) / static_cast<double>(runs);
    std::sort(seconds.begin(), seconds.end());
    return seconds[1];
  }

 private:
  double seconds_of(const std::function<void(size_t)>& run, size_t runs) const {
    CUDA_CHECK(cudaEventRecord(begin_, stream_));
    for (size_t i = 0; i < runs; ++i) run(i + 1);
    CUDA_CHECK(cudaEventRecord(end_, stream_));
    CUDA_CHECK(cudaEventSynchronize(end_));
    float milliseconds = 0;
    CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return std::max(1e-7, 1e-3 * static_cast<double>(milliseconds));
  }

  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace

// cuBLASLt is column-major: a row-major [rows, cols] matrix is its [cols, rows] with leading
// dimension cols. So outᵀ [o, n] = op_T(weight as [in, o]) · (x as [in, n]).
class CublasLt::Plan {
 public:
  explicit Plan(const PlanKey& key)
      : key_(key),
        weight_(key.type, key.in_features, key.out_features, key.in_features),
        x_(key.type, key.in_features, 1, key.in_features),
        out_(key.out_type, key.out_features, 1, key.out_features) {
    operation_.set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    if (key.has_bias) operation_.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);

    preference_.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    preference_.set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                    uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      preference_.set(attribute, key.alignment);
    }
  }

  void run(cublasLtHandle_t handle, void* workspace, const TensorView& out, const TensorView& x,
           const TensorView& weight, const TensorView& bias, cudaStream_t stream) {
    run(handle, workspace, out, x, weight, bias, algorithm_for(handle, x.dim(0)), stream);
  }

  // See CublasLt::tune().
  void tune(cublasLtHandle_t handle, void* workspace, const TensorView& out, const TensorView& x,
            std::span<const TensorView> weights, const TensorView& bias, AlgorithmCache& cache,
            cudaStream_t stream) {
    const int64_t n = x.dim(0);
    const int64_t bucket = row_bucket(n, key_.type);
    if (tuned_.contains(bucket)) return;
    const std::string name = product_name(bucket);
    cublasLtMatmulAlgo_t best{};
    const std::optional<AlgorithmCache::Algorithm> known = cache.find(name);
    if (known) std::copy(known->begin(), known->end(), std::begin(best.data));
    if (!known || !can_run(handle, best, n) || !sums_in_one_piece(best)) {
      const auto run_with = [&](const cublasLtMatmulAlgo_t& algorithm, size_t weight) {
        run(handle, workspace, out, x, weights[weight % weights.size()], bias, algorithm, stream);
      };
      best = fastest_of_same_bits(proposals(handle, n), out, run_with, stream);
      AlgorithmCache::Algorithm found;
      std::copy(std::begin(best.data), std::end(best.data), found.begin());
      cache.add(name, found);
    }
    tuned_.insert(bucket);
    bucket_algorithms_[bucket] = best;
    algorithms_.clear();
  }

 private:
  using RunWith = std::function<void(const cublasLtMatmulAlgo_t&, size_t weight)>;

  void run(cublasLtHandle_t handle, void* workspace, const TensorView& out, const TensorView& x,
           const TensorView& weight, const TensorView& bias, const cublasLtMatmulAlgo_t& algorithm,
           cudaStream_t stream) {
    if (key_.has_bias) {
      const void* address = bias.data;
      operation_.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, address);
    }
    set_rows(x.dim(0));
    const float alpha = 1.0F;
    const float beta = 0.0F;
    CUBLAS_CHECK(cublas_lt().matmul(handle, operation_.get(), &alpha, weight.data, weight_.get(),
                                    x.data, x_.get(), &beta, out.data, out_.get(), out.data,
                                    out_.get(), &algorithm, workspace, kWorkspaceBytes, stream));
  }

  void set_rows(int64_t n) {
    x_.set_cols(n);
    out_.set_cols(n);
  }

  // The bucket's algorithm where it can run n rows, else n's own.
  const cublasLtMatmulAlgo_t& algorithm_for(cublasLtHandle_t handle, int64_t n) {
    const auto known = algorithms_.find(n);
    if (known != algorithms_.end()) return known->second;

    const int64_t bucket = row_bucket(n, key_.type);
    auto entry = bucket_algorithms_.find(bucket);
    if (entry == bucket_algorithms_.end()) {
      entry = bucket_algorithms_.emplace(bucket, best_algorithm(handle, bucket)).first;
    }
    cublasLtMatmulAlgo_t algorithm = entry->second;
    if (!can_run(handle, algorithm, n)) algorithm = best_algorithm(handle, n);
    return algorithms_.emplace(n, algorithm).first->second;
  }

  cublasLtMatmulAlgo_t best_algorithm(cublasLtHandle_t handle, int64_t n) {
    return proposals(handle, n, 1).front();
  }

  // What the heuristics propose, the best first.
  std::vector<cublasLtMatmulAlgo_t> proposals(cublasLtHandle_t handle, int64_t n,
                                              int max_count = kMaxProposals) {
    set_rows(n);
    std::array<cublasLtMatmulHeuristicResult_t, kMaxProposals> results{};
    int num_results = 0;
    const cublasStatus_t status = cublas_lt().algo_get_heuristic(
        handle, operation_.get(), weight_.get(), x_.get(), out_.get(), out_.get(),
        preference_.get(), max_count, results.data(), &num_results);
    std::vector<cublasLtMatmulAlgo_t> algorithms;
    for (int i = 0; i < num_results; ++i) {
      if (results[i].state == CUBLAS_STATUS_SUCCESS) algorithms.push_back(results[i].algo);
    }
    require(status == CUBLAS_STATUS_SUCCESS && !algorithms.empty(), "matrix product ",
            dtype_name(key_.type), " [", n, ", ", key_.in_features, "] x [", key_.out_features,
            ", ", key_.in_features, "]ᵀ -> ", dtype_name(key_.out_type),
            ": cuBLASLt has no algorithm (", cublas_lt().status_name(status),
            "); try another --dtype");
    return algorithms;
  }

  static bool sums_in_one_piece(const cublasLtMatmulAlgo_t& algorithm) {
    uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_MASK;
    size_t written = 0;
    const cublasStatus_t status = cublas_lt().algo_config_get_attribute(
        &algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme, sizeof(scheme), &written);
    return status == CUBLAS_STATUS_SUCCESS && scheme == CUBLASLT_REDUCTION_SCHEME_NONE;
  }

  // The fastest of the candidates that give the bits of the first.
  static cublasLtMatmulAlgo_t fastest_of_same_bits(
      const std::vector<cublasLtMatmulAlgo_t>& candidates, const TensorView& out,
      const RunWith& run_with, cudaStream_t stream) {
    constexpr int64_t kComparedRows = 256;
    const TensorView compared = out.first(std::min(out.dim(0), kComparedRows));
    const auto bits_of = [&](const cublasLtMatmulAlgo_t& algorithm) {
      std::vector<std::byte> bits(static_cast<size_t>(compared.bytes()));
      run_with(algorithm, 0);
      CUDA_CHECK(
          cudaMemcpyAsync(bits.data(), compared.data, bits.size(), cudaMemcpyDeviceToHost, stream));
      CUDA_CHECK(cudaStreamSynchronize(stream));
      return bits;
    };
    const std::vector<std::byte> expected = bits_of(candidates.front());
    const Stopwatch stopwatch(stream);
    const cublasLtMatmulAlgo_t* best = nullptr;
    double best_seconds = 0;
    for (const cublasLtMatmulAlgo_t& candidate : candidates) {
      if (bits_of(candidate) != expected) continue;
      const double seconds = stopwatch.seconds_per_run([&](size_t i) { run_with(candidate, i); },
                                                       best == nullptr ? 0.0 : 2 * best_seconds);
      if (best == nullptr || seconds < best_seconds) {
        best = &candidate;
        best_seconds = seconds;
      }
    }
    return *best;
  }

  std::string product_name(int64_t bucket) const {
    return concat(dtype_name(key_.type), "-", dtype_name(key_.out_type), "-",
                  key_.has_bias ? "bias" : "plain", "-", key_.out_features, "x", key_.in_features,
                  "-align", key_.alignment, "-rows", bucket);
  }

  bool can_run(cublasLtHandle_t handle, const cublasLtMatmulAlgo_t& algorithm, int64_t n) {
    set_rows(n);
    cublasLtMatmulHeuristicResult_t result{};
    const cublasStatus_t status =
        cublas_lt().algo_check(handle, operation_.get(), weight_.get(), x_.get(), out_.get(),
                               out_.get(), &algorithm, &result);
    return status == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= kWorkspaceBytes;
  }

  PlanKey key_;
  MatmulDescriptor operation_;
  MatmulPreference preference_;
  MatrixLayout weight_;
  MatrixLayout x_;
  MatrixLayout out_;
  std::unordered_map<int64_t, cublasLtMatmulAlgo_t> bucket_algorithms_;
  std::unordered_map<int64_t, cublasLtMatmulAlgo_t> algorithms_;  // by exact number of rows
  std::set<int64_t> tuned_;                                       // buckets
};

CublasLt::CublasLt(const std::string& device_name) : cache_(cache_file(device_name)) {
  CUBLAS_CHECK(cublas_lt().create(&handle_));
  try {
    workspace_ = cuda::allocate_device(kWorkspaceBytes);
  } catch (const cuda::OutOfMemory&) {
    cublas_lt().destroy(handle_);
    throw Error(concat("cuBLASLt workspace: ", kWorkspaceBytes,
                       " bytes of device memory are not free; end other programs on this GPU"));
  }
}

CublasLt::~CublasLt() {
  plans_.clear();
  cuda::free_device(workspace_);
  cublas_lt().destroy(handle_);
}

CublasLt::Plan& CublasLt::plan_for(const TensorView& out, const TensorView& x,
                                   const TensorView& weight, const TensorView& bias) {
  require(!bias || out.dtype == x.dtype, "matrix product: a bias needs an output in ",
          dtype_name(x.dtype), ", got ", dtype_name(out.dtype));
  const PlanKey key{.in_features = x.dim(1),
                    .out_features = weight.dim(0),
                    .type = x.dtype,
                    .out_type = out.dtype,
                    .has_bias = static_cast<bool>(bias),
                    .alignment = common_alignment({out.data, x.data, weight.data, bias.data})};
  std::unique_ptr<Plan>& plan = plans_[key];
  if (plan == nullptr) plan = std::make_unique<Plan>(key);
  return *plan;
}

void CublasLt::linear(TensorView out, TensorView x, TensorView weight, TensorView bias,
                      cudaStream_t stream) {
  if (x.dim(0) == 0) return;
  plan_for(out, x, weight, bias).run(handle_, workspace_, out, x, weight, bias, stream);
}

void CublasLt::tune(TensorView out, TensorView x, std::span<const TensorView> weights,
                    TensorView bias, cudaStream_t stream) {
  if (x.dtype == DType::kF32 || x.dim(0) == 0) return;
  plan_for(out, x, weights.front(), bias)
      .tune(handle_, workspace_, out, x, weights, bias, cache_, stream);
  cache_.save();
}

int64_t CublasLt::next_tuned_rows(int64_t n) {
  return row_bucket(n + 1, DType::kBF16);
}

}  // namespace eet
