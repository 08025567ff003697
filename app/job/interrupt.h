// SIGINT and SIGTERM: the first asks the job to end, the second ends the program at once, and so
// does time.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "app/job/file_descriptor.h"

namespace eet {

// While it lives, the first of the two signals only sets signal() and, from a thread of its own,
// calls `wake`, which may end a wait for input; the next one exits with 128 + its number. When it
// still lives `patience` after the first, that thread calls `give_up`, which is to end the program:
// a text may take longer to tokenize, a template to render or a pass to run. A signal that is
// ignored (nohup, a shell's background jobs) stays so. One at a time.
class Interrupt {
 public:
  static constexpr std::chrono::milliseconds kPatience{700};

  explicit Interrupt(
      std::function<void()> wake, std::function<void()> give_up = [] {},
      std::chrono::milliseconds patience = kPatience);
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
