// How much of the machine's memory this process may use.
#pragma once

#include <cstdint>
#include <filesystem>

namespace eet {

struct HostMemory {
  int64_t free_bytes = 0;   // that can still be taken, what the system would give up included
  int64_t total_bytes = 0;  // the machine's, or the limit of a control group around this process
};

// Reads /proc/meminfo and the memory limits of the control groups (versions 1 and 2) that the
// process is in: containers and batch systems set those, and kill what exceeds them. `proc` and
// `groups` are where the two are mounted.
HostMemory read_host_memory(const std::filesystem::path& proc = "/proc",
                            const std::filesystem::path& groups = "/sys/fs/cgroup");

}  // namespace eet
