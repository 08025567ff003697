// Where operations run: every operation takes one explicitly; there is no hidden global or
// thread-local stream.
#pragma once

#include <string>

#include "lib/core/thread_pool.h"

namespace eet {

class CudaContext;  // lib/cuda/cuda_context.h: stream, cuBLASLt handle and plans

struct Device {
  enum class Kind { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;
  bool is_cuda() const { return kind == Kind::kCuda; }
};

// One device, and what its operations need besides their arguments. Operations on CUDA are
// asynchronous on the context's stream; on the CPU they are done when they return.
struct Context {
  Device device;
  ThreadPool* pool = nullptr;   // never null
  CudaContext* cuda = nullptr;  // null on the CPU
  bool on_cuda() const { return cuda != nullptr; }
};

}  // namespace eet
