// What is said of a command line that cannot be understood.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Error.hpp>
#include <string>

namespace eet {

// One line: what was expected, what was given, and where to look it up.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error);

}  // namespace eet
