// Why a system call failed, for people.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

namespace eet {

// The system's words for a value of errno, and what to do where that is the same for all calls.
inline std::string system_reason(int reason) {
  std::string text = std::strerror(reason);
  if (reason == EMFILE) text += "; allow more open files (ulimit -n 256)";
  if (reason == EFBIG) text += "; allow larger files (ulimit -f)";
  return text;
}

}  // namespace eet
