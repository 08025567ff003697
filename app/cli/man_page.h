// Manual pages, written from the commands and flags themselves.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace eet {

// The page eet(1), or with a command eet-COMMAND(1), in man(7) macros. Throws Error for a command
// that does not exist.
std::string man_page(const CLI::App& app, const std::string& command);

}  // namespace eet
