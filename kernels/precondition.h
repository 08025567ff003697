// What the caller of a launcher must hold to. A breach is a mistake of the program, not of its
// user: lib/ops checks what users can bring about.
#pragma once

#include <sstream>
#include <stdexcept>

namespace eet::kernels {

// Throws std::logic_error with the joined arguments unless `condition` holds.
template <typename... Args>
void check_precondition(bool condition, const Args&... args) {
  if (condition) return;
  std::ostringstream message;
  message << "internal error: ";
  (message << ... << args);
  throw std::logic_error(message.str());
}

}  // namespace eet::kernels
