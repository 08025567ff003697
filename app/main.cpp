// The program: parse, dispatch, catch once, exit code.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>

#include "app/cli/usage_error.h"
#include "app/error_text.h"
#include "app/exit_code.h"
#include "app/job/restart.h"
#include "app/job/standard_streams.h"
#include "app/mapped_file_errors.h"
#include "app/program.h"

namespace {

int run(int argc, char** argv) {
  int exit_code = eet::kExitOk;
  const std::unique_ptr<CLI::App> app = eet::make_program(exit_code);
  try {
    app->parse(argc, argv);
    if (!app->get_subcommands().empty()) return exit_code;
    std::cerr << app->help();
    return eet::kExitUsage;
  } catch (const CLI::Success& help_or_version) {
    return app->exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    std::cerr << "eet: error: " << eet::usage_message(*app, error) << '\n';
    return eet::kExitUsage;
  } catch (const std::exception& error) {
    std::cerr << "eet: error: " << eet::error_text(error) << eet::note_on_current_directory()
              << '\n';
    return eet::kExitFatal;
  }
}

}  // namespace

int main(int argc, char** argv) {
  eet::reserve_standard_streams();
  eet::note_inherited_files();
  eet::report_mapped_file_errors();
  eet::report_missing_memory();
  // A reader of stdout that goes away is an error with a message, not a silent death.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // nor a limit on file sizes

  const int exit_code = run(argc, argv);
  if (std::cout.flush() || exit_code != eet::kExitOk) return exit_code;
  std::cerr << "eet: error: standard output: cannot write\n";
  return eet::kExitFatal;
}
