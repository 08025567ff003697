// A job that starts itself again, in a new program image, after its devices have failed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

namespace eet {

// Why an earlier start of the job ended, how many rows it had finished, and after what time.
struct Restart {
  std::string reason;
  int64_t rows = 0;
  double seconds = 0;
};

// [{reason, rows, seconds}], as the statistics have them.
nlohmann::ordered_json to_json(std::span<const Restart> restarts);

// More say that the job or the machine is to blame.
inline constexpr size_t kMaxRestarts = 3;

// The variable that tells a process of its restarts: JSON with its id, so that no other process
// takes them for its own. No user needs to set it.
inline constexpr const char* kRestartsVariable = "EET_RESTARTS";

// Those that led to this process, the first one first; none where a user started it.
std::vector<Restart> restarts_before();

// To be called first of all: files that are open now stay open when the program starts again, and
// no others do.
void note_inherited_files();

// Replaces the program by itself, with the same words, directory and process id. All threads end as
// they are, so that what they hold must be safe. Returns only where that fails: why.
std::string start_again(const std::vector<Restart>& restarts);

}  // namespace eet
