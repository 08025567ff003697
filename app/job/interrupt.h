// SIGINT and SIGTERM: the first asks the job to end, the second ends the program at once.
#pragma once

#include <functional>
#include <thread>

#include "app/job/file_descriptor.h"

namespace eet {

// While it lives, the first of the two signals only sets signal() and, from a thread of its own,
// calls `wake`, which may end a wait for input; the next one exits with 128 + its number. A signal
// that is ignored (nohup, a shell's background jobs) stays so. One at a time.
class Interrupt {
 public:
  explicit Interrupt(std::function<void()> wake);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // The number of the signal that came, 0: none. Set before `wake` is called.
  static int signal();

 private:
  FileDescriptor pipe_read_;
  std::thread watcher_;
};

}  // namespace eet
