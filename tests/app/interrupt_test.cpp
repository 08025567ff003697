#include "app/job/interrupt.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <future>
#include <thread>

namespace eet {
namespace {

// How a process ends that runs `body`: its exit code, or 128 and the signal that killed it.
int run_in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_CASE("the first signal is noted and wakes who waits") {
  for (const int number : {SIGINT, SIGTERM}) {
    CAPTURE(number);
    std::promise<int> woken;
    const Interrupt interrupt([&] { woken.set_value(Interrupt::signal()); });
    CHECK(Interrupt::signal() == 0);
    std::raise(number);
    CHECK(woken.get_future().get() == number);
    CHECK(Interrupt::signal() == number);
  }
}

TEST_CASE("without a signal nobody is woken") {
  bool woken = false;
  {
    const Interrupt interrupt([&] { woken = true; });
  }
  CHECK_FALSE(woken);
}

TEST_CASE("the second signal ends the program at once") {
  CHECK(run_in_child([] {
          const Interrupt interrupt([] {});
          std::raise(SIGINT);
          std::raise(SIGTERM);
          return 1;
        }) == 128 + SIGTERM);
}

TEST_CASE("a program that does not end in time after the first signal is given up") {
  const std::chrono::milliseconds patience(20);
  CHECK(run_in_child([&] {
          const Interrupt interrupt([] {}, [] { ::_exit(7); }, patience);
          std::raise(SIGTERM);
          std::this_thread::sleep_for(std::chrono::seconds(10));
          return 1;
        }) == 7);
  CHECK(run_in_child([&] {
          {
            const Interrupt interrupt([] {}, [] { ::_exit(7); }, patience);
            std::raise(SIGTERM);
          }
          std::this_thread::sleep_for(10 * patience);
          return 1;
        }) == 1);
}

TEST_CASE("a signal that is ignored stays so") {
  CHECK(run_in_child([] {
          std::signal(SIGINT, SIG_IGN);
          const Interrupt interrupt([] {});
          std::raise(SIGINT);
          std::raise(SIGINT);
          return Interrupt::signal();
        }) == 0);
}

}  // namespace
}  // namespace eet
