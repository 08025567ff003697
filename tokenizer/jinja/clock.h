// The time, as templates are told it.
#pragma once

#include <ctime>
#include <functional>
#include <string_view>

namespace eet::jinja {

struct Clock {
  std::tm now{};  // local time
  // Called for each answer of strftime_now; may be empty.
  std::function<void(std::string_view format, std::string_view text)> told;
};

}  // namespace eet::jinja
