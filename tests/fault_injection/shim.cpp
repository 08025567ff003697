// Makes the N-th operation of one kind fail. Preloaded into the program, it stands before the C
// library's functions.
//
//   EET_FAULT_KIND   the operation: open, read, write, sync, rename, link, truncate, stat, poll,
//                    clock or allocate
//   EET_FAULT_N      which one, from 1; 0: none
//   EET_FAULT_HOW    an errno number; "short" halves reads and writes; "slow" takes 50 ms more;
//                    "eintr" fails with EINTR once; of clock, the seconds that the time of day
//                    jumps by, from the N-th look at it on
//   EET_FAULT_DIR    only files below this directory count; polls, looks at clocks and allocations
//                    count from the first such file on
//   EET_FAULT_COUNT  where the number of operations is written at the end
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

const char* setting(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

struct Settings {
  const char* kind = setting("EET_FAULT_KIND");
  long n = std::strtol(setting("EET_FAULT_N"), nullptr, 10);
  const char* how = setting("EET_FAULT_HOW");
  const char* directory = setting("EET_FAULT_DIR");
  bool is_short = std::strcmp(how, "short") == 0;
  bool is_slow = std::strcmp(how, "slow") == 0;
  int reason =
      std::strcmp(how, "eintr") == 0 ? EINTR : static_cast<int>(std::strtol(how, nullptr, 10));
};

const Settings& settings() {
  static const Settings settings;
  return settings;
}

std::atomic<long> operations = 0;
std::atomic<bool> armed = false;  // a file of the job has been opened

// The C library's own function of this name.
template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

bool is_ours(const char* path) {
  const size_t length = std::strlen(settings().directory);
  const bool ours = length > 0 && std::strncmp(path, settings().directory, length) == 0;
  if (ours) armed = true;
  return ours;
}

bool is_ours(int fd) {
  char link[64];
  char path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = ::readlink(link, path, sizeof path - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return is_ours(path);
}

// Counts an operation: whether it is the N-th of the kind.
bool is_chosen(const char* kind) {
  return std::strcmp(kind, settings().kind) == 0 && ++operations == settings().n;
}

// Whether this operation is the one to fail. Sets errno.
bool fails(const char* kind) {
  if (!is_chosen(kind)) return false;
  if (settings().is_slow) {
    constexpr timespec kDelay = {0, 50'000'000};
    ::nanosleep(&kDelay, nullptr);
    return false;
  }
  errno = settings().reason;
  return true;
}

// Bytes of a read or write that is to be short.
size_t shortened(const char* kind, size_t count) {
  if (!settings().is_short || !is_chosen(kind)) return count;
  return (count + 1) / 2;
}

struct CountWriter {
  ~CountWriter() {
    const char* path = setting("EET_FAULT_COUNT");
    if (*path == '\0') return;
    const int fd = next<int (*)(const char*, int, ...)>("open")(path, O_WRONLY | O_CREAT, 0666);
    char text[32];
    const int length = std::snprintf(text, sizeof text, "%ld\n", operations.load());
    [[maybe_unused]] const ssize_t wrote =
        next<ssize_t (*)(int, const void*, size_t)>("write")(fd, text, static_cast<size_t>(length));
    ::close(fd);
  }
} count_writer;

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  if (is_ours(path) && fails("open")) return -1;
  return next<int (*)(const char*, int, ...)>("open")(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return open(path, flags, mode);
}

ssize_t read(int fd, void* data, size_t count) {
  const bool ours = is_ours(fd);
  if (ours && settings().is_short) count = shortened("read", count);
  if (ours && !settings().is_short && fails("read")) return -1;
  return next<ssize_t (*)(int, void*, size_t)>("read")(fd, data, count);
}

ssize_t pread(int fd, void* data, size_t count, off_t offset) {
  const bool ours = is_ours(fd);
  if (ours && settings().is_short) count = shortened("read", count);
  if (ours && !settings().is_short && fails("read")) return -1;
  return next<ssize_t (*)(int, void*, size_t, off_t)>("pread")(fd, data, count, offset);
}

ssize_t pread64(int fd, void* data, size_t count, off_t offset) {
  return pread(fd, data, count, offset);
}

ssize_t write(int fd, const void* data, size_t count) {
  const bool ours = is_ours(fd);
  if (ours && settings().is_short) count = shortened("write", count);
  if (ours && !settings().is_short && fails("write")) return -1;
  return next<ssize_t (*)(int, const void*, size_t)>("write")(fd, data, count);
}

ssize_t pwrite(int fd, const void* data, size_t count, off_t offset) {
  const bool ours = is_ours(fd);
  if (ours && settings().is_short) count = shortened("write", count);
  if (ours && !settings().is_short && fails("write")) return -1;
  return next<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite")(fd, data, count, offset);
}

ssize_t pwrite64(int fd, const void* data, size_t count, off_t offset) {
  return pwrite(fd, data, count, offset);
}

int fsync(int fd) {
  if (is_ours(fd) && fails("sync")) return -1;
  return next<int (*)(int)>("fsync")(fd);
}

int fdatasync(int fd) {
  if (is_ours(fd) && fails("sync")) return -1;
  return next<int (*)(int)>("fdatasync")(fd);
}

int rename(const char* from, const char* to) {
  if (is_ours(from) && fails("rename")) return -1;
  return next<int (*)(const char*, const char*)>("rename")(from, to);
}

int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) {
  if (is_ours(from) && fails("rename")) return -1;
  return next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(from_at, from,
                                                                                  to_at, to, flags);
}

int linkat(int from_at, const char* from, int to_at, const char* to, int flags) {
  if (is_ours(to) && fails("link")) return -1;
  return next<int (*)(int, const char*, int, const char*, int)>("linkat")(from_at, from, to_at, to,
                                                                          flags);
}

int unlink(const char* path) {
  if (is_ours(path) && fails("link")) return -1;
  return next<int (*)(const char*)>("unlink")(path);
}

int ftruncate(int fd, off_t size) {
  if (is_ours(fd) && fails("truncate")) return -1;
  return next<int (*)(int, off_t)>("ftruncate")(fd, size);
}

int ftruncate64(int fd, off_t size) {
  return ftruncate(fd, size);
}

int fstat(int fd, struct stat* info) {
  if (is_ours(fd) && fails("stat")) return -1;
  return next<int (*)(int, struct stat*)>("fstat")(fd, info);
}

int poll(pollfd* waits, nfds_t count, int timeout) {
  if (armed && fails("poll")) return -1;
  return next<int (*)(pollfd*, nfds_t, int)>("poll")(waits, count, timeout);
}

int clock_gettime(clockid_t clock, timespec* now) {
  static const auto next_clock = next<int (*)(clockid_t, timespec*)>("clock_gettime");
  static std::atomic<bool> has_jumped = false;
  const int result = next_clock(clock, now);
  if (clock != CLOCK_REALTIME || !armed) return result;
  if (is_chosen("clock")) has_jumped = true;
  if (has_jumped) now->tv_sec += std::strtol(settings().how, nullptr, 10);
  return result;
}

time_t time(time_t* seconds) {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds != nullptr) *seconds = now.tv_sec;
  return now.tv_sec;
}

void* malloc(size_t size) {
  static const auto next_malloc = next<void* (*)(size_t)>("malloc");
  // The C library allocates before the settings can be read.
  if (armed && fails("allocate")) return nullptr;
  return next_malloc(size);
}

}  // extern "C"
