#include "lib/core/tensor_view.h"

namespace eet {

std::string describe(const TensorView& view) {
  std::string text(dtype_name(view.dtype));
  text += " [";
  for (int i = 0; i < view.rank; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(view.shape[i]);
  }
  return text + "]";
}

}  // namespace eet
