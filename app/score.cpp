#include "app/score.h"

#include <CLI/Error.hpp>
#include <memory>

#include "app/chat_flags.h"
#include "app/cli/outside_flags.h"
#include "app/engine_options.h"
#include "app/generate.h"
#include "app/input_options.h"
#include "app/options.h"
#include "app/safety_options.h"

namespace eet {
namespace {

// Flags that other jobs have and that make no sense here.
void check_options(const GenerateOptions& options) {
  if (options.long_prompts != LongPrompts::kError) {
    throw CLI::ValidationError("--on-long", "a text that is cut has another score: only error");
  }
  if (replays_prompts(options.engine.prompt_policy)) {
    throw CLI::ValidationError("--prompt-policy",
                               "scoring feeds whole prompts: expected packed or padded");
  }
}

}  // namespace

void add_score_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("score", "Log-likelihoods of completions or whole texts");
  const auto options = std::make_shared<GenerateOptions>();
  options->input_options.prompts.scored = true;
  options->format.style = RowStyle::kScore;
  add_job_options(*command, *options);
  add_input_options(*command, options->input_options, options->long_prompts);
  add_chat_options(*command, options->chat);
  add_safety_options(*command, options->safety);
  add_engine_options(*command, options->engine, options->schedule, options->prompt_policy);
  command->footer(R"(Rows: {"id", "prompt", "completion"}, {"id", "text"}, or token ids in
prompt_token_ids and completion_token_ids. Without a completion the whole prompt is scored.

Examples:
  eet score -m samples/models/tales-llama -i pairs.jsonl -o scores.jsonl
  eet score -m MODEL -i text.txt -o - --logprobs

Exit codes as of `eet generate`.)");
  command->callback([command, options, &exit_code] {
    options->config_file = config_file_of(*command);
    check_options(*options);
    exit_code = run_job(*options);
  });
}

}  // namespace eet
