#include "app/mapped_file_errors.h"

#include <unistd.h>

#include <csignal>
#include <string_view>

#include "app/exit_code.h"

namespace eet {
namespace {

extern "C" void handle_bus_error(int /*number*/) {
  constexpr std::string_view kMessage =
      "eet: error: a file of the model became shorter while it was read, or its disk failed; make "
      "the file whole and run again\n";
  [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(kExitFatal);
}

}  // namespace

void report_mapped_file_errors() {
  struct sigaction action {};
  action.sa_handler = handle_bus_error;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace eet
