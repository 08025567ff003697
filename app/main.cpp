// The program: parse, dispatch, catch once, exit code.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <csignal>
#include <exception>
#include <iostream>

#include "app/bench.h"
#include "app/convert.h"
#include "app/exit_code.h"
#include "app/generate.h"
#include "app/inspect.h"
#include "app/job/standard_streams.h"
#include "app/mapped_file_errors.h"
#include "app/merge.h"
#include "app/score.h"
#include "app/tokenize.h"
#include "app/validate.h"
#include "app/version.h"

int main(int argc, char** argv) {
  eet::reserve_standard_streams();
  eet::report_mapped_file_errors();
  // A reader of stdout that goes away is an error with a message, not a silent death.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // nor a limit on file sizes

  CLI::App app("Bulk text generation with transformer models: JSONL in, JSONL out.", "eet");
  app.set_version_flag("--version", eet::version_line());
  app.require_subcommand(0, 1);
  app.footer(
      "`eet COMMAND --help` lists the flags of a command.\n"
      "Exit codes: 0 all good, 1 fatal error, 2 wrong usage, 3 finished with failed rows,\n"
      "130 or 143 interrupted by SIGINT or SIGTERM.");

  int exit_code = eet::kExitOk;
  eet::add_generate_command(app, exit_code);
  eet::add_validate_command(app, exit_code);
  eet::add_score_command(app, exit_code);
  eet::add_merge_command(app, exit_code);
  eet::add_convert_command(app, exit_code);
  eet::add_inspect_command(app, exit_code);
  eet::add_tokenize_command(app, exit_code);
  eet::add_bench_command(app, exit_code);
  try {
    app.parse(argc, argv);
    if (!app.get_subcommands().empty()) return exit_code;
    std::cerr << app.help();
    return eet::kExitUsage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? eet::kExitOk : eet::kExitUsage;
  } catch (const std::exception& error) {
    std::cerr << "eet: error: " << error.what() << '\n';
    return eet::kExitFatal;
  }
}
