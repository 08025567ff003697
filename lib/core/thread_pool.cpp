#include "lib/core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace eet {
namespace {

// A decode step of a small model is dozens of loops of some 10 µs; a sleeping thread takes about
// 50 µs to wake, so threads look for the next loop this many times before they sleep.
constexpr int kSpins = 4000;

// Returns once `changed()` holds, spinning first and sleeping on `value` afterwards.
template <typename T, typename Changed>
void wait_until(const std::atomic<T>& value, Changed changed) {
  for (int i = 0; i < kSpins; ++i) {
    if (changed(value.load())) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  for (;;) {
    const T seen = value.load();
    if (changed(seen)) return;
    value.wait(seen);
  }
}

}  // namespace

// A loop is over when its iterations are: a worker that has not joined by then is not waited for.
// On a machine with other things to do it may not have run at all, and to wait for its next turn in
// every loop costs milliseconds (1 M rows of one token beside one busy program on 2 cores: 470 s
// where two idle cores took 77 s).
struct ThreadPool::Impl {
  std::vector<std::thread> workers;
  const std::function<void(int64_t)>* body = nullptr;
  int64_t count = 0;
  std::atomic<int64_t> next{0};
  std::atomic<uint32_t> loops_started{0};
  // A worker joins by adding itself and then finding the loop open; the caller closes the loop and
  // then waits for those inside. Both in the one order of all such steps, so that either the worker
  // sees it closed or the caller sees the worker.
  std::atomic<bool> open{false};
  std::atomic<int32_t> workers_inside{0};
  std::atomic<bool> stopping{false};
  std::mutex error_mutex;
  std::exception_ptr error;

  // Also when the system gave fewer threads than were asked for.
  ~Impl() {
    stopping = true;
    loops_started.fetch_add(1);
    loops_started.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void run_iterations() {
    for (;;) {
      const int64_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) return;
      try {
        (*body)(i);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
  }

  void work() {
    for (uint32_t seen = 0;;) {
      wait_until(loops_started, [&](uint32_t started) { return started != seen; });
      seen = loops_started.load(std::memory_order_acquire);
      if (stopping) return;
      workers_inside.fetch_add(1);
      if (open.load()) run_iterations();
      if (workers_inside.fetch_sub(1) == 1) workers_inside.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int num_threads) : impl_(std::make_unique<Impl>()) {
  for (int i = 1; i < num_threads; ++i) {
    impl_->workers.emplace_back([impl = impl_.get()] { impl->work(); });
  }
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::num_threads() const {
  return static_cast<int>(impl_->workers.size()) + 1;
}

void ThreadPool::parallel_for(int64_t count, const std::function<void(int64_t)>& body) {
  if (count <= 1 || impl_->workers.empty()) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  impl_->body = &body;
  impl_->count = count;
  impl_->next.store(0, std::memory_order_relaxed);
  impl_->open.store(true);
  impl_->loops_started.fetch_add(1, std::memory_order_release);
  impl_->loops_started.notify_all();
  impl_->run_iterations();
  impl_->open.store(false);
  wait_until(impl_->workers_inside, [](int32_t inside) { return inside == 0; });
  if (impl_->error) std::rethrow_exception(std::exchange(impl_->error, nullptr));
}

int available_cores() {
  int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  cpu_set_t affinity;
  if (sched_getaffinity(0, sizeof affinity, &affinity) == 0) {
    cores = std::min(cores, CPU_COUNT(&affinity));
  }
  // cgroup v2: "quota period" in µs, or "max period".
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (file >> quota >> period && quota != "max" && period > 0) {
    const double limit = std::strtod(quota.c_str(), nullptr) / period;
    if (limit > 0) cores = std::min(cores, static_cast<int>(std::ceil(limit)));
  }
  return std::max(1, cores);
}

}  // namespace eet
