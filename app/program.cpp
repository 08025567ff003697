#include "app/program.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "app/bench.h"
#include "app/cli/help_formatter.h"
#include "app/cli/outside_flags.h"
#include "app/convert.h"
#include "app/devices.h"
#include "app/generate.h"
#include "app/inspect.h"
#include "app/merge.h"
#include "app/score.h"
#include "app/shell_files.h"
#include "app/tokenize.h"
#include "app/validate.h"
#include "app/version.h"

namespace eet {

std::unique_ptr<CLI::App> make_program(int& exit_code) {
  auto program = std::make_unique<CLI::App>("Bulk text generation with transformer models", "eet");
  CLI::App& app = *program;
  app.formatter(std::make_shared<HelpFormatter>());  // of the commands too
  app.set_version_flag("--version", version_text());
  app.require_subcommand(0, 1);
  app.footer(
      "`eet COMMAND --help` lists the flags of a command.\n"
      "Exit codes: 0 all good, 1 fatal error, 2 wrong usage, 3 finished with failed rows,\n"
      "130 or 143 interrupted by SIGINT or SIGTERM.");
  add_generate_command(app, exit_code);
  add_validate_command(app, exit_code);
  add_score_command(app, exit_code);
  add_merge_command(app, exit_code);
  add_convert_command(app, exit_code);
  add_inspect_command(app, exit_code);
  add_tokenize_command(app, exit_code);
  add_bench_command(app, exit_code);
  add_devices_command(app, exit_code);
  for (CLI::App* command : app.get_subcommands({})) add_outside_flags(*command);
  add_completion_command(app);
  add_man_command(app);
  return program;
}

}  // namespace eet
