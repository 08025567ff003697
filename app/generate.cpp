#include "app/generate.h"

#include <CLI/Error.hpp>
#include <iostream>
#include <memory>
#include <optional>

#include "app/exit_code.h"
#include "app/job/completion_writer.h"
#include "app/job/job.h"
#include "app/job/job_stats.h"
#include "app/job/progress.h"
#include "app/job/request_reader.h"
#include "app/job/result_file.h"
#include "app/job/row_source.h"
#include "app/job/stopwatch.h"
#include "app/options.h"
#include "lib/device.h"
#include "weights_tools/checkpoint.h"

namespace eet {
namespace {

// A model without tokenizer files still serves rows of token ids; broken files are fatal, and so
// are missing ones where the user named them.
std::unique_ptr<Tokenizer> load_tokenizer_if_any(const std::string& named,
                                                 const std::filesystem::path& directory) {
  if (!named.empty()) return load_tokenizer(named);
  if (!tokenizer_files(directory).empty()) return load_tokenizer(directory);
  std::cerr << "eet: warning: " << directory.string()
            << ": no tokenizer (expected tokenizer.model, tokenizer.json, or vocab.json with "
               "merges.txt): rows need prompt_token_ids, and text stays empty\n";
  return nullptr;
}

void check_defaults(const GenerateOptions& options, const ModelConfig& config) {
  if (const std::optional<RowError> error = check(options.params, config)) {
    throw CLI::ValidationError("defaults for rows", error->message);
  }
}

JobStats describe(const GenerateOptions& options, const Engine& engine) {
  JobStats stats;
  stats.model = options.model;
  stats.device = engine.device_name();
  stats.dtype = dtype_name(engine.dtype());
  stats.prompt_policy = options.prompt_policy;
  stats.schedule = options.schedule;
  stats.cuda = cuda_versions();
  stats.max_num_seqs = engine.max_num_seqs();
  stats.max_model_len = engine.max_model_len();
  stats.memory = engine.memory();
  return stats;
}

int generate(const GenerateOptions& options) {
  const Stopwatch load_watch;
  const Checkpoint checkpoint = open_checkpoint(options.model);
  for (const std::string& warning : checkpoint.warnings) {
    std::cerr << "eet: warning: " << warning << '\n';
  }
  check_defaults(options, checkpoint.config);
  RequestReader reader(options.input,
                       {options.params, options.stop, options.format.logprobs, options.echo},
                       options.input_options);
  const int input = reader.lines().descriptor();
  ResultFile output(options.output, {input});
  std::optional<ResultFile> report;
  if (!options.stats.empty()) {
    report.emplace(options.stats, std::initializer_list<int>{input, output.descriptor()});
  }
  const std::unique_ptr<Tokenizer> tokenizer =
      load_tokenizer_if_any(options.tokenizer, checkpoint.tokenizer_directory);
  const ModelChat chat(options.tokenizer.empty() ? checkpoint.tokenizer_directory
                                                 : std::filesystem::path(options.tokenizer));
  Engine engine(checkpoint.config, checkpoint.loader, options.engine);
  JobStats stats = describe(options, engine);
  stats.load_seconds = load_watch.seconds();
  if (!options.quiet) std::cerr << format_ledger(stats.memory);

  const Stopwatch job_watch;
  output.start();
  OutputFormat format = options.format;
  format.model = options.model;
  CompletionWriter writer(output, format);
  RowSource source(reader, PromptEncoder(tokenizer.get(), chat, engine.max_model_len(),
                                         options.long_prompts));
  Progress progress(
      stderr, [&reader] { return reader.lines().total_bytes(); },
      options.quiet ? ProgressStyle::kNone : options.progress);
  Job job(source, engine, tokenizer.get(), writer, progress, options.echo);
  job.run();
  progress.finish();

  stats.job_seconds = job_watch.seconds();
  stats.tokenize_seconds = source.tokenize_seconds();
  stats.output_seconds = job.output_seconds();
  stats.counts = job.counts();
  stats.engine = engine.stats();
  stats.peak_device_bytes = engine.peak_device_bytes();
  stats.peak_host_bytes = peak_host_bytes();
  if (report) {
    report->start();
    report->write(format_json(stats));
  }
  if (!options.quiet) std::cerr << format_summary(stats);
  return stats.counts.failed_rows() > 0 ? kExitFailedRows : kExitOk;
}

}  // namespace

void add_generate_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("generate", "Complete a file of prompts");
  const auto options = std::make_shared<GenerateOptions>();
  add_generate_options(*command, *options);
  command->callback([options, &exit_code] { exit_code = generate(*options); });
}

}  // namespace eet
