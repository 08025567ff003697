#include "app/generate.h"

#include <unistd.h>

#include <CLI/Error.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "app/cli/outside_flags.h"
#include "app/complete_output.h"
#include "app/engines.h"
#include "app/error_text.h"
#include "app/exit_code.h"
#include "app/failed_job.h"
#include "app/hub_cache.h"
#include "app/job/input/request_reader.h"
#include "app/job/input/row_source.h"
#include "app/job/interrupt.h"
#include "app/job/job.h"
#include "app/job/job_stats.h"
#include "app/job/journal/journal_key.h"
#include "app/job/local_time.h"
#include "app/job/output/completion_sink.h"
#include "app/job/output/job_output.h"
#include "app/job/output/result_file.h"
#include "app/job/progress.h"
#include "app/job/restart.h"
#include "app/job/shard.h"
#include "app/job/shard_file.h"
#include "app/job/stopwatch.h"
#include "app/job/text/named_files.h"
#include "app/model_files.h"
#include "app/model_fingerprint.h"
#include "app/options.h"
#include "app/output_format.h"
#include "app/validate.h"
#include "lib/device.h"
#include "weights_tools/checkpoint.h"

namespace eet {
namespace {

JobStats describe(const GenerateOptions& options, const Generator& engine) {
  JobStats stats;
  stats.model = options.model;
  stats.devices = engine.reports();
  stats.device = describe_devices(stats.devices.size(), stats.devices.front().device);
  stats.dtype = dtype_name(engine.dtype());
  stats.prompt_policy = options.prompt_policy;
  stats.schedule = options.schedule;
  stats.cuda = cuda_versions();
  stats.max_num_seqs = engine.max_num_seqs();
  stats.max_model_len = engine.max_model_len();
  return stats;
}

// What the results of this job's rows depend on.
JobIdentity identify(const GenerateOptions& options, const ModelFiles& files,
                     const Generator& engine) {
  JobIdentity job;
  job.program = "eet " EET_VERSION;
  job.model = files.fingerprint();
  if (!options.config_policy.ignored.empty()) {  // then it is another model
    std::string text = concat(job.model.low, ' ', job.model.high);
    for (const std::string& key : options.config_policy.ignored) text += '\n' + key;
    job.model = hash128(text);
  }
  job.device = engine.reports().front().kind;
  job.dtype = dtype_name(engine.dtype());
  job.format = options.format;
  job.format.model = options.model;
  job.seed = options.engine.seed;
  job.max_model_len = engine.max_model_len();
  return job;
}

// About what a row of the output has for each token beside the text.
size_t json_bytes_per_token(const OutputFormat& format, bool logprobs) {
  constexpr size_t kIdBytes = 8;
  constexpr size_t kLogprobBytes = 16;
  constexpr size_t kChatLogprobBytes = 96;
  size_t bytes = format.token_ids ? kIdBytes : 0;
  if (logprobs) bytes += format.style == RowStyle::kOpenAi ? kChatLogprobBytes : kLogprobBytes;
  return bytes;
}

void check_shard(const GenerateOptions& options) {
  if (options.input_options.shard.count == 1) return;
  if (options.safety.order != OutputOrder::kInput) {
    throw CLI::ValidationError("--shard", "rows of a shard must be in the order of the input");
  }
  if (is_file_or_absent(options.output)) require_shard_check_or_nothing(options.output);
}

void report_recovery(const JobOutput& output, bool quiet) {
  const JournalRecovery* recovery = output.recovery();
  if (recovery == nullptr) return;
  for (const std::string& warning : warnings(*recovery)) {
    std::cerr << "eet: warning: " << warning << '\n';
  }
  if (!quiet && recovery->rows > 0) {
    std::cerr << "resuming: the journal has " << recovery->rows << " finished rows\n";
  }
}

// Rows that appear on a terminal are progress enough, and would be mixed with it.
ProgressStyle progress_style(const GenerateOptions& options) {
  return options.quiet || is_terminal(options.output) ? ProgressStyle::kNone : options.progress;
}

// All that the job reads, and may not write.
FileIds files_read(const GenerateOptions& options, const std::string& model,
                   const ModelFiles& files, const RequestReader& reader) {
  FileIds read = reader.files();
  const auto add = [&read](const FileIds& more) {
    read.insert(read.end(), more.begin(), more.end());
  };
  for (const std::filesystem::path& file : files.paths()) read.push_back(id_of_file(file.string()));
  add(named_files_of(model));
  add(files_of_flags(options));
  return read;
}

// About as many bytes of the input are each shard's.
std::optional<int64_t> input_bytes_of_shard(const RequestReader& reader, const Shard& shard) {
  const std::optional<int64_t> bytes = reader.total_bytes();
  if (!bytes) return std::nullopt;
  return *bytes / static_cast<int64_t>(shard.count);
}

// What conversations are rendered with, for shards to have in common. The model's own template is
// part of the model.
std::string describe(const ChatSettings& settings, const ModelChat& chat) {
  return concat(settings.wraps_prompts, '\n', settings.variables.dump(), '\n',
                chat.named_template(), '\n',
                settings.system_prompt ? "system:" + *settings.system_prompt : "");
}

// Hash of all flags that results may depend on, beside the rows.
Hash128 flags_hash(const GenerateOptions& options, const JobIdentity& identity,
                   const ModelChat& chat) {
  return shards_hash(identity, options.row_defaults(), describe(options.chat, chat));
}

// Of all that may change a finished row's result, beside the row: the device's kind, too.
Hash128 journal_hash(const GenerateOptions& options, const JobIdentity& identity,
                     const Hash128& flags) {
  const Hash128 job = job_hash(identity);
  const std::optional<int64_t>& time = options.chat.start_time;
  return hash128(concat(flags.low, ' ', flags.high, ' ', job.low, ' ', job.high,
                        time ? concat(' ', *time) : std::string()));
}

// What templates were told of the time in this job, which began at `start`.
std::optional<ShardTime> shard_time(const ModelChat& chat, int64_t start) {
  const std::string text = format_local_time(start);
  const std::optional<uint64_t> told = chat.told_times().hash(text);
  if (!told) return std::nullopt;
  return ShardTime{text, *told};
}

// Puts a file beside a shard's output that says what it is a part of, once the output is complete
// and the input is at its end.
void describe_shard(const GenerateOptions& options, const Hash128& flags,
                    const RequestReader& reader, const std::optional<ShardTime>& time) {
  const Shard& shard = options.input_options.shard;
  if (shard.count == 1) return;
  if (!is_file_or_absent(options.output)) {
    std::cerr << "eet: warning: the shard's output is no file: `eet merge` cannot know it\n";
    return;
  }
  ByteSource rows(options.output);
  std::vector<char> piece(size_t{1} << 18);
  while (rows.read(piece) > 0) {
  }
  write_shard_check(options.output, {shard, reader.input_rows(), reader.content_hash(), flags.low,
                                     rows.hash(), time});
}

// Before anything runs again: how many finished rows of a journal will, as they were made with
// other flags. An input that can be read once only is not looked at.
void report_changed_rows(const GenerateOptions& options, const JobOutput& output,
                         const Generator& engine, const PromptEncoder& encoder) {
  const JournalRecovery* recovery = output.recovery();
  if (recovery == nullptr || !recovery->other_job || recovery->rows == 0) return;
  std::string changed = "those that depend on them";
  const bool may_be_read_twice = std::ranges::all_of(options.inputs, [](const std::string& path) {
    return path != "-" && std::filesystem::is_regular_file(path);
  });
  if (may_be_read_twice) {
    RequestReader reader(options.inputs, options.row_defaults(), options.input_options);
    uint64_t count = 0;
    uint64_t place = 0;
    for (std::optional<InputRow> row = reader.next(); row; row = reader.next(), ++place) {
      if (!row->error) encoder.encode(*row);
      check(*row, engine);
      if (output.journal_sink()->has_changed(place, *row)) ++count;
    }
    changed = std::to_string(count);
  }
  std::cerr << "eet: warning: the journal is of other flags, another model or program: of its "
            << recovery->rows << " finished rows run again " << changed << '\n';
}

void warn_of_raw_prompts(const GenerateOptions& options) {
  if (options.format.style == RowStyle::kScore) return;
  std::cerr << "eet: warning: " << options.model
            << " has a chat template, and prompts are given to it as they are: --chat renders each "
               "as a message of the user\n";
}

// Where a job that was started again would be another one, as somebody changed its files meanwhile,
// the user decides what is to become of its rows.
void require_same_job(const JobOutput& output) {
  const JournalRecovery* recovery = output.recovery();
  require(recovery != nullptr && !recovery->other_job,
          "the model, the flags in a file or the kind of device changed while the job ran");
}

// True when the output is complete, false when a signal ended the job before. Throws SuspendedJob,
// and DeviceFault as it comes.
bool run_to_the_end(Job& job, CompletionSink& sink, const std::function<void()>& on_complete) {
  const StopRequested stop = [] { return Interrupt::signal() != 0; };
  try {
    return job.run(stop) && sink.finish(on_complete, stop);
  } catch (const DeviceFault&) {
    throw;
  } catch (const std::exception& error) {
    throw SuspendedJob(concat(error_text(error), "; ", sink.suspend()));
  }
}

int64_t seconds_now() {
  using std::chrono::system_clock;
  return system_clock::to_time_t(system_clock::now());
}

// A row or a step takes too long to wait for after a signal. The journal's thread has written every
// row that was finished when the signal came.
[[noreturn]] void end_at_once(std::string_view message) {
  [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, message.data(), message.size());
  ::_exit(kExitSignal + Interrupt::signal());
}

constexpr std::string_view kEndedInRow = "eet: interrupted in the middle of a row or step\n";
constexpr std::string_view kEndedInRowWithJournal =
    "eet: interrupted in the middle of a row or step; finished rows are safe in the journal: the "
    "same command with --resume goes on from there\n";

int run_process(GenerateOptions options, const std::vector<Restart>& restarts) {
  settle_output_format(options);
  if (restarts.empty()) {
    if (const auto exit_code = exit_code_of_complete_output(options)) return *exit_code;
  }
  const Stopwatch load_watch;
  const std::string model = locate_model(options.model);
  const Checkpoint checkpoint = open_model(model, options.config_policy);
  const std::filesystem::path tokenizer_path = options.tokenizer.empty()
                                                   ? checkpoint.tokenizer_directory
                                                   : std::filesystem::path(options.tokenizer);
  const ModelFiles files(model, tokenizer_files(tokenizer_path));
  const std::string sampling = settle_sampling(options, checkpoint.config);
  check_shard(options);
  RequestReader reader(options.inputs, options.row_defaults(), options.input_options);
  const FileIds read = files_read(options, model, files, reader);
  JobOutput output(options.output, options.safety, read);
  std::optional<ResultFile> report;
  if (!options.stats.empty()) {
    report.emplace(options.stats, read);
    output.refuse_as_other(report->id());
  }
  const std::unique_ptr<Tokenizer> tokenizer =
      load_tokenizer_if_any(options.tokenizer, checkpoint.tokenizer_directory);
  ModelChat chat = open_chat(options, checkpoint);
  Progress* shown = nullptr;
  const auto warn = [&shown](const std::string& message) {
    if (shown != nullptr) shown->finish();
    std::cerr << "eet: warning: " << message << '\n';
  };
  const std::unique_ptr<Generator> engines =
      make_engines(checkpoint.config, checkpoint.loader, options.engine, options.data_parallel_size,
                   warn, restarts.empty() ? FewerDevices::kRefuse : FewerDevices::kTake);
  Generator& engine = *engines;
  JobStats stats = describe(options, engine);
  stats.sampling = sampling;
  stats.restarts = restarts;
  stats.load_seconds = load_watch.seconds();
  if (!options.quiet) std::cerr << format_ledgers(stats.devices);

  const Stopwatch job_watch;
  const JobIdentity identity = identify(options, files, engine);
  const int64_t now = options.chat.start_time.value_or(seconds_now());
  const Hash128 flags = flags_hash(options, identity, chat);
  CompletionSink& sink = output.start(identity, journal_hash(options, identity, flags), now);
  if (!restarts.empty()) require_same_job(output);
  const int64_t start = options.chat.start_time.value_or(output.start_seconds(now));
  chat.set_start(start);
  report_recovery(output, options.quiet);
  const PromptEncoder encoder(tokenizer.get(), chat, engine.max_model_len(), options.long_prompts);
  report_changed_rows(options, output, engine, encoder);
  // Before the threads that it is to end.
  std::atomic<bool> reported = false;
  std::optional<Interrupt> interrupt(
      std::in_place, [&reader] { reader.cancel(); },
      [&] {
        end_at_once(reported ? "" : output.recovery() ? kEndedInRowWithJournal : kEndedInRow);
      });
  RowSource source(reader, encoder, [&] { warn_of_raw_prompts(options); });
  const auto job_size = [&] {
    return JobSize{input_bytes_of_shard(reader, options.input_options.shard), source.total_rows()};
  };
  Progress progress(stderr, job_size, progress_style(options));
  shown = &progress;
  const JobOptions job_options = {
      .live_input = !reader.total_bytes(),
      .fail_on_bad_row = options.fail_on_bad_row,
      .keep_going = options.keep_going,
      .token_bytes = json_bytes_per_token(options.format, options.logprobs),
      .text_threads = text_threads(stats.devices.size())};
  Job job(source, engine, tokenizer.get(), sink, progress, job_options);
  bool complete = false;
  try {
    complete = run_to_the_end(
        job, sink, [&] { describe_shard(options, flags, reader, shard_time(chat, start)); });
  } catch (const DeviceFault& fault) {
    progress.finish();
    const Restart end = {fault.what(), job.counts().rows - job.counts().served_rows,
                         load_watch.seconds()};
    const std::string kept = sink.suspend();
    interrupt.reset();  // from here on, a signal ends the process at once
    if (Interrupt::signal() == 0) start_again_or_end(options, {end, kept, restarts});
    warn(fault.what());
  }
  progress.finish();
  if (!complete) {
    std::cerr << "eet: interrupted: " << sink.suspend() << '\n';
    reported = true;
    return kExitSignal + Interrupt::signal();
  }

  stats.job_seconds = job_watch.seconds();
  stats.tokenize_seconds = source.tokenize_seconds();
  stats.output_seconds = job.output_seconds();
  stats.counts = job.counts();
  stats.changed_rows = output.resumed().changed;
  stats.retried_rows = output.resumed().retried;
  stats.engine = engine.stats();
  stats.devices = engine.reports();
  stats.peak_host_bytes = peak_host_bytes();
  if (report) {
    report->start();
    report->write(format_json(stats));
    report->finish();
  }
  if (!options.quiet) std::cerr << format_summary(stats);
  return stats.counts.failed_rows() > 0 ? kExitFailedRows : kExitOk;
}

}  // namespace

int run_job(GenerateOptions options) {
  const std::vector<Restart> restarts = restarts_before();
  if (restarts.empty()) return run_process(std::move(options), restarts);
  resume_after_restart(options);
  const std::string output = options.output;
  try {
    return run_process(std::move(options), restarts);
  } catch (const SuspendedJob&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(concat(error_text(error), "; finished rows are safe in ", journal_path(output),
                       ": the same command with --resume goes on from there"));
  }
}

void add_generate_command(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("generate", "Complete a file of prompts");
  const auto options = std::make_shared<GenerateOptions>();
  add_generate_options(*command, *options);
  command->callback([command, options, &exit_code] {
    options->config_file = config_file_of(*command);
    exit_code = options->dry_run ? validate(*options, {}) : run_job(*options);
  });
}

}  // namespace eet
