// A range of numbers for flags.
#pragma once

#include <CLI/Validators.hpp>
#include <string>

namespace eet {

// CLI::Range, outside of which is nan, too.
inline CLI::Validator number_from(double low, double high) {
  const auto check = [low, high](const std::string& text) -> std::string {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && low <= value && value <= high) return {};
    return "Value " + text + " not in range";
  };
  return {check, CLI::Range(low, high).get_description()};
}

}  // namespace eet
