#include "app/job/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

// All that the handler may touch.
std::atomic<int> received = 0;
std::atomic<int> pipe_write = -1;
static_assert(std::atomic<int>::is_always_lock_free, "the signal handler needs it");

extern "C" void handle_signal(int number) {
  int none = 0;
  if (!received.compare_exchange_strong(none, number)) ::_exit(128 + number);
  const int saved_errno = errno;
  const char byte = 1;
  [[maybe_unused]] const ssize_t wrote = ::write(pipe_write, &byte, 1);
  errno = saved_errno;
}

void set_handlers(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int number : kSignals) {
    struct sigaction present {};
    ::sigaction(number, nullptr, &present);
    if (present.sa_handler != SIG_IGN) ::sigaction(number, &action, nullptr);
  }
}

// Waits for the handler's byte; false when the other end has been closed instead.
bool wait_for_byte(int fd) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::read(fd, &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1;
}

// Whether the other end is closed within `milliseconds`.
bool is_closed_within(int fd, int milliseconds) {
  pollfd wait = {fd, 0, 0};  // of the closing alone, which is always told
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready != 0;
}

}  // namespace

Interrupt::Interrupt(std::function<void()> wake, std::function<void()> give_up,
                     std::chrono::milliseconds patience) {
  int ends[2] = {-1, -1};
  require_call(::pipe2(ends, O_CLOEXEC) == 0, "cannot make a pipe: ");
  pipe_read_ = {ends[0], /*owned=*/true};
  pipe_write = ends[1];
  received = 0;
  watcher_ = std::thread([fd = ends[0], wake = std::move(wake), give_up = std::move(give_up),
                          patience = static_cast<int>(patience.count())] {
    if (!wait_for_byte(fd)) return;
    wake();
    if (!is_closed_within(fd, patience)) give_up();
  });
  set_handlers(handle_signal);
}

Interrupt::~Interrupt() {
  set_handlers(SIG_DFL);
  ::close(pipe_write.exchange(-1));
  watcher_.join();
}

int Interrupt::signal() {
  return received;
}

}  // namespace eet
