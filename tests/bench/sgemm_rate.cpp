#include "tests/bench/sgemm_rate.h"

#include <algorithm>
#include <chrono>
#include <vector>

#if EET_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace eet {

#if EET_HAVE_OPENBLAS
namespace {

double best_rate(int size, int repeats) {
  const size_t elements = static_cast<size_t>(size) * static_cast<size_t>(size);
  const std::vector<float> a(elements, 0.5F);
  const std::vector<float> b(elements, 0.25F);
  std::vector<float> c(elements);
  double best = 0;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, size, size, size, 1.0F, a.data(), size,
                b.data(), size, 0.0F, c.data(), size);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    const double n = size;
    best = std::max(best, 2.0 * n * n * n / elapsed.count());
  }
  return best;
}

}  // namespace

std::optional<double> measure_sgemm_rate(int num_threads) {
  openblas_set_num_threads(num_threads);
  best_rate(512, 1);
  return std::max({best_rate(1024, 10), best_rate(1536, 6), best_rate(2048, 4)});
}
#else
std::optional<double> measure_sgemm_rate(int) {
  return std::nullopt;
}
#endif

}  // namespace eet
