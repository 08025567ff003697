#include "app/job/output/result_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>

#include "app/job/input/compression.h"
#include "app/job/standard_streams.h"
#include "app/job/stopwatch.h"
#include "lib/core/error.h"

namespace eet {
namespace {

// Whether anyone may write to `path` by its mode. The superuser's open() succeeds on files that
// their owner made read-only; overwriting those is refused all the same.
bool has_write_bit(const struct stat& info) {
  return (info.st_mode & 0222) != 0;
}

// The descriptor that /dev/stdout, /dev/fd/N and the like name. Opened by name, a file that is
// standard output would be written from its beginning.
std::optional<int> named_descriptor(const std::string& path) {
  if (path == "/dev/stdin") return STDIN_FILENO;
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(folder)) continue;
    int number = -1;
    const char* end = path.data() + path.size();
    const auto read = std::from_chars(path.data() + folder.size(), end, number);
    if (read.ec == std::errc() && read.ptr == end) return number;
  }
  return std::nullopt;
}

// A named pipe waits for its reader for a while, as programs of a script start in any order.
FileDescriptor open_for_writing(const std::string& path) {
  constexpr double kPatienceSeconds = 10;
  constexpr std::chrono::milliseconds kPause(20);
  const Stopwatch watch;
  while (true) {
    FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666),
                      /*owned=*/true);
    if (fd.get() >= 0) {
      const int flags = ::fcntl(fd.get(), F_GETFL);
      require_call(::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) == 0, path,
                   ": cannot open the output: ");
      return fd;
    }
    struct stat info {};
    const bool has_no_reader =
        errno == ENXIO && ::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
    require_call(has_no_reader || errno == EINTR, path, ": cannot open the output: ");
    require(watch.seconds() < kPatienceSeconds, path,
            ": expected a program that reads this pipe: start it first");
    std::this_thread::sleep_for(kPause);
  }
}

FileDescriptor open_output(const std::string& path) {
  if (path == "-") {
    require(!was_closed(STDOUT_FILENO), "standard output: cannot open: Bad file descriptor");
    return {STDOUT_FILENO, /*owned=*/false};
  }
  if (const std::optional<int> number = named_descriptor(path)) {
    FileDescriptor fd(::fcntl(*number, F_DUPFD_CLOEXEC, 0), /*owned=*/true);
    require_call(fd.get() >= 0, path, ": cannot open the output: ");
    return fd;
  }
  require_writable(path);
  return open_for_writing(path);
}

}  // namespace

void require_writable(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    require(!S_ISDIR(info.st_mode), path, ": expected a file for the output, got a directory");
    require(has_write_bit(info), path, ": the output file is read-only");
    return;
  }
  const std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  require_call(::stat(parent.c_str(), &info) == 0, path, ": cannot open the output: ");
  require(has_write_bit(info), path, ": cannot create the output: its directory is read-only");
}

bool is_file_or_absent(const std::string& path) {
  // These may lead to a regular file, which is not ours to replace.
  if (path == "-" || named_descriptor(path) || path.starts_with("/proc/")) return false;
  struct stat info {};
  return ::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode);
}

ResultFile::ResultFile(const std::string& path, const FileIds& others)
    : name_(path == "-" ? "standard output" : path),
      fd_(open_output(path)),
      sink_(make_byte_sink(compression_of_name(path),
                           [this](std::string_view data) { write_bytes(data); })) {
  for (const std::optional<FileId>& other : others) {
    require(!other || id() != other, name_,
            ": already in use as another input or output of this job: give another file");
  }
}

void ResultFile::start() {
  struct stat info {};
  const bool is_file = ::fstat(fd_.get(), &info) == 0 && S_ISREG(info.st_mode);
  if (!is_file || fd_.get() == STDOUT_FILENO || named_descriptor(name_)) return;
  require_call(::ftruncate(fd_.get(), 0) == 0, name_, ": cannot empty the file: ");
}

void ResultFile::write_bytes(std::string_view data) {
  while (!data.empty()) {
    const ssize_t wrote = ::write(fd_.get(), data.data(), data.size());
    if (wrote < 0 && errno == EINTR) continue;
    require_call(wrote >= 0, name_, ": cannot write: ");
    data.remove_prefix(static_cast<size_t>(wrote));
  }
}

}  // namespace eet
