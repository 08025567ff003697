// The program as a CLI11 application.
#pragma once

#include <CLI/App.hpp>
#include <memory>

namespace eet {

// Every command, with its flags; running one sets `exit_code`, which must outlive the application.
std::unique_ptr<CLI::App> make_program(int& exit_code);

}  // namespace eet
