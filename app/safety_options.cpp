#include "app/safety_options.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <map>
#include <string>

#include "app/cli/number_range.h"

namespace eet {
namespace {

const std::map<std::string, OutputOrder> kOutputOrders = {
    {"input", OutputOrder::kInput},
    {"completion", OutputOrder::kCompletion},
};

}  // namespace

void add_safety_options(CLI::App& command, SafetyOptions& options) {
  const std::string group = "Safety";
  const auto flag = [&](const std::string& name, bool& value, const std::string& help) {
    return command.add_flag(name, value, help)->group(group);
  };
  CLI::Option* resume =
      flag("--resume", options.resume,
           "Go on with an interrupted job: finished rows come from OUTPUT.eet-journal as long as\n"
           "their text, parameters, model and program are the same; others run");
  flag("--retry-errors", options.retry_errors, "With --resume: rows with an error run again")
      ->needs(resume);
  flag("--overwrite", options.overwrite,
       "Replace an output that exists, and drop an interrupted job's journal")
      ->excludes(resume);
  flag("--keep-journal", options.keep_journal,
       "Keep the journal when the job is complete, so that --resume runs only what changed");
  command
      .add_flag_callback(
          "--no-journal", [&options] { options.journal = false; },
          "Write the output as a stream; what is interrupted is lost")
      ->excludes(resume)
      ->group(group);
  command
      .add_option_function<std::string>(
          "--output-order",
          [&options](const std::string& name) { options.order = kOutputOrders.at(name); },
          "Rows of the output as in the input, or as they are completed")
      ->check(CLI::IsMember(&kOutputOrders))
      ->type_name("input|completion")
      ->default_str("input")
      ->group(group);
  command
      .add_option_function<double>(
          "--journal-sync-seconds",
          [&options](double seconds) {
            options.sync.seconds = std::chrono::duration<double>(seconds);
          },
          "A loss of power costs at most this much work; a killed program next to none")
      ->check(number_from(0.0, 3600.0))
      ->default_str("1")
      ->group(group);
  command
      .add_option("--journal-sync-rows", options.sync.rows,
                  "... and at most this many finished rows")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
}

}  // namespace eet
