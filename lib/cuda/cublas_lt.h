// Matrix products by cuBLASLt.
#pragma once

#include <cublasLt.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "lib/core/tensor_view.h"
#include "lib/cuda/algorithm_cache.h"

namespace eet {

class CublasError : public std::runtime_error {
 public:
  CublasError(cublasStatus_t code, const char* call, const char* file, int line);
  cublasStatus_t code() const { return code_; }

 private:
  cublasStatus_t code_;
};

// A cuBLASLt handle with its workspace on the device that was current when it was made, and a plan
// for each product it has been asked for. Used by one stream at a time: the workspace is shared.
class CublasLt {
 public:
  // `device_name` and the version of cuBLASLt name the file of tuned algorithms.
  explicit CublasLt(const std::string& device_name);
  ~CublasLt();
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  // out[n, o] = x[n, in] · weight[o, in]ᵀ + bias[o], accumulated in fp32 (fp32 inputs: true fp32
  // products, no TF32). out: T or fp32; x, weight: T; bias: T or empty, only where out is T.
  // Any sizes; the fast paths want 16-byte aligned rows. Throws Error where cuBLASLt has no
  // algorithm for the shape.
  //
  // No algorithm may split the sum over `in` among thread blocks (reduction scheme NONE), and
  // neighbouring n share an algorithm, so that on most shapes a row's bits do not depend on n.
  void linear(TensorView out, TensorView x, TensorView weight, TensorView bias,
              cudaStream_t stream);

  // Finds the fastest algorithm for as many rows as x has, or as many as share its algorithm: of
  // those that the heuristics propose and that give every row the bits of the first proposal, which
  // is what untuned products take. `weights` are used in turn, so that they do not come from L2.
  // Reads x, which is to be random; overwrites out. fp32 products are left as they are. What is
  // found is kept in the user's cache directory for the next run of the program.
  void tune(TensorView out, TensorView x, std::span<const TensorView> weights, TensorView bias,
            cudaStream_t stream);

  // The least number of rows above `n` that another algorithm may serve.
  static int64_t next_tuned_rows(int64_t n);

  // Device memory held beside the operands.
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;

 private:
  class Plan;

  Plan& plan_for(const TensorView& out, const TensorView& x, const TensorView& weight,
                 const TensorView& bias);

  // All that a plan is made for, but the number of rows.
  struct PlanKey {
    int64_t in_features;
    int64_t out_features;
    DType type;
    DType out_type;
    bool has_bias;
    uint32_t alignment;  // of every operand's address, in bytes
    // clang-tidy 14 takes the defaulted comparison for a literal zero.
    auto operator<=>(const PlanKey&) const = default;  // NOLINT(modernize-use-nullptr)
  };

  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<PlanKey, std::unique_ptr<Plan>> plans_;
  AlgorithmCache cache_;
};

}  // namespace eet
