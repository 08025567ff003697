// A non-owning, shaped pointer to elements in host or device memory.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "lib/core/dtype.h"

namespace eet {

// Row-major and dense. Constness of the elements is the caller's contract: operations take outputs
// first, then inputs.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  int rank = 0;
  std::array<int64_t, 4> shape{};

  TensorView() = default;
  TensorView(void* elements, DType type, std::initializer_list<int64_t> dims)
      : data(elements), dtype(type), rank(static_cast<int>(dims.size())) {
    int i = 0;
    for (int64_t d : dims) shape[i++] = d;
  }

  explicit operator bool() const { return data != nullptr; }
  int64_t dim(int i) const { return shape[i]; }
  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= shape[i];
    return n;
  }
  int64_t bytes() const { return numel() * static_cast<int64_t>(dtype_size(dtype)); }

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }

  // The first `rows` of dimension 0.
  TensorView first(int64_t rows) const {
    TensorView view = *this;
    view.shape[0] = rows;
    return view;
  }
};

// "bf16 [4096, 2048]": for messages.
std::string describe(const TensorView& view);

}  // namespace eet
