// What OpenBLAS' sgemm reaches on this machine: another yardstick for the CPU's matrix products
// than the rate that `eet bench` measures of its own. Prints GFLOP/s.
//
// Usage: sgemm_rate [THREADS]
#include <cblas.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "lib/core/thread_pool.h"

namespace {

// Floating point operations per second of square products of `size`: the best of `repeats`.
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

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : eet::available_cores();
  openblas_set_num_threads(std::max(1, threads));
  best_rate(512, 1);
  const double rate = std::max({best_rate(1024, 10), best_rate(1536, 6), best_rate(2048, 4)});
  std::printf("%.1f GFLOP/s\n", rate * 1e-9);
  return 0;
}
