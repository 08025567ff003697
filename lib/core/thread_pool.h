// A fixed set of threads that run the iterations of one loop at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace eet {

class ThreadPool {
 public:
  // `num_threads` counts the calling thread; 1 means no thread is started.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const;

  // Calls body(i) once for each i in [0, count), on any thread in any order, and returns when all
  // are done. An exception from a body is rethrown here. Not reentrant.
  void parallel_for(int64_t count, const std::function<void(int64_t)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Cores this process may run on (its affinity mask and cgroup quota, not the machine's).
int available_cores();

}  // namespace eet
