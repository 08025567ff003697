#include "lib/host_memory.h"

#include <doctest/doctest.h>

#include "tests/app/temp_directory.h"

namespace eet {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// A machine of 1000 MiB, 800 of them free, with control groups as a test makes them.
struct Machine {
  explicit Machine(const std::string& groups_of_process) {
    std::filesystem::create_directories(dir.file("proc/self"));
    dir.write("proc/meminfo", "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 819200 kB\n");
    dir.write("proc/self/cgroup", groups_of_process);
  }
  void write(const std::string& name, const std::string& content) const {
    const std::filesystem::path path = dir.file("groups/" + name);
    std::filesystem::create_directories(path.parent_path());
    dir.write("groups/" + name, content);
  }
  HostMemory read() const { return read_host_memory(dir.file("proc"), dir.file("groups")); }

  TempDirectory dir;
};

void check(const HostMemory& memory, int64_t free_mib, int64_t total_mib) {
  CHECK(memory.free_bytes == free_mib * kMiB);
  CHECK(memory.total_bytes == total_mib * kMiB);
}

TEST_CASE("without limits the machine's memory counts") {
  check(Machine("").read(), 800, 1000);
  const Machine machine("0::/user\n");
  machine.write("user/memory.max", "max\n");
  check(machine.read(), 800, 1000);
}

TEST_CASE("a limit of version 2 counts, less what the group uses and cannot give up") {
  const Machine machine("0::/job\n");
  machine.write("job/memory.max", std::to_string(400 * kMiB));
  machine.write("job/memory.current", std::to_string(300 * kMiB));
  machine.write("job/memory.stat", "anon 1\ninactive_file " + std::to_string(100 * kMiB) + "\n");
  check(machine.read(), 200, 400);
}

TEST_CASE("a limit of version 1 counts") {
  const Machine machine("9:name=systemd:/\n4:cpu,memory:/job\n0::/\n");
  machine.write("memory/job/memory.limit_in_bytes", std::to_string(700 * kMiB));
  machine.write("memory/job/memory.usage_in_bytes", std::to_string(100 * kMiB));
  check(machine.read(), 600, 700);
}

TEST_CASE("the smallest limit of the groups around the process counts") {
  const Machine machine("0::/outer/inner\n");
  machine.write("outer/memory.max", std::to_string(300 * kMiB));
  machine.write("outer/inner/memory.max", "max");
  machine.write("memory.max", std::to_string(500 * kMiB));
  check(machine.read(), 300, 300);
}

TEST_CASE("in a container, whose group has a name of the host's, the root's limit counts") {
  const Machine machine("0::/docker/0123\n");
  machine.write("memory.max", std::to_string(500 * kMiB));
  check(machine.read(), 500, 500);
}

TEST_CASE("a group that uses more than its limit leaves nothing") {
  const Machine machine("0::/job\n");
  machine.write("job/memory.max", std::to_string(400 * kMiB));
  machine.write("job/memory.current", std::to_string(500 * kMiB));
  check(machine.read(), 0, 400);
}

}  // namespace
}  // namespace eet
