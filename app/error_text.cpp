#include "app/error_text.h"

#include <unistd.h>

#include <exception>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>

#include "app/exit_code.h"
#include "lib/core/error.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOutOfMemory =
    "out of host memory; allow more (ulimit -v, the limit of a container), or lower "
    "--max-num-seqs or --max-model-len";

const char* remedy(const std::error_code& code) {
  if (code == std::errc::too_many_files_open) return "; allow more open files (ulimit -n 256)";
  if (code == std::errc::resource_unavailable_try_again) {
    return ": no further thread can be started; allow more processes (ulimit -u, the limit of a "
           "container)";
  }
  return "";
}

}  // namespace

std::string error_text(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return std::string(kOutOfMemory);
  if (const auto* file = dynamic_cast<const fs::filesystem_error*>(&error)) {
    return concat(file->path1().string(), ": ", file->code().message(), remedy(file->code()));
  }
  if (const auto* system = dynamic_cast<const std::system_error*>(&error)) {
    return concat(system->what(), remedy(system->code()));
  }
  return error.what();
}

void report_missing_memory() {
  static const std::terminate_handler otherwise = std::get_terminate();
  std::set_terminate([] {
    try {
      if (const std::exception_ptr error = std::current_exception()) std::rethrow_exception(error);
    } catch (const std::bad_alloc&) {  // no more memory is asked for
      for (const std::string_view text :
           {std::string_view("eet: error: "), kOutOfMemory, std::string_view("\n")}) {
        [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, text.data(), text.size());
      }
      ::_exit(kExitFatal);
    } catch (...) {  // NOLINT(bugprone-empty-catch): a mistake of the program, told by the handler
    }
    otherwise();
  });
}

std::string note_on_current_directory() {
  std::error_code code;
  const fs::path ignored = fs::current_path(code);
  return code == std::errc::no_such_file_or_directory
             ? "; the current directory was removed: change to one that exists (cd)"
             : "";
}

}  // namespace eet
