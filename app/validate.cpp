#include "app/validate.h"

#include <CLI/Error.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "app/engines.h"
#include "app/exit_code.h"
#include "app/forecast/calibration.h"
#include "app/forecast/job_simulation.h"
#include "app/hub_cache.h"
#include "app/job/input/input_survey.h"
#include "app/job/input/request_reader.h"
#include "app/job/input/row_source.h"
#include "app/job/job_stats.h"
#include "app/job/text/model_chat.h"
#include "app/model_files.h"
#include "app/output_format.h"
#include "lib/device.h"
#include "lib/memory_plan.h"
#include "lib/request_check.h"

namespace eet {
namespace {

using Json = nlohmann::ordered_json;

// What a job would run with, and what it would do.
struct JobPlan {
  std::vector<std::string> devices;  // their names
  std::string device;
  EngineShape shape;
  MemoryEstimate memory;
  SimulatedJob course;
  double load_seconds = 0;
  std::optional<double> seconds;        // after loading
  std::optional<double> saved_seconds;  // of those it would take without shared prefixes
};

JobPlan plan_job(const GenerateOptions& job, const ModelConfig& config) {
  JobPlan plan;
  plan.devices = devices_of(job.engine, job.data_parallel_size, [](const std::string& message) {
    std::cerr << "eet: warning: " << message << '\n';
  });
  const OpenDevice device(plan.devices.front(), job.engine.num_threads);
  plan.device = describe_devices(plan.devices.size(), device.description());
  plan.shape = choose_shape(config, job.engine, device);
  plan.memory = estimate_memory(config, job.engine, plan.shape, device);
  return plan;
}

// Marks a row that the engine would refuse, and cuts max_tokens to the room there is.
void check_row(InputRow& row, const ModelConfig& config, const JobPlan& plan,
               PromptPolicy prompt_policy) {
  if (row.error) return;
  Request request;
  request.prompt = std::move(row.prompt_ids);
  request.params = row.params;
  std::optional<RowError> error = check_request(request, config, plan.shape);
  if (!error) {
    row.params.max_tokens = tokens_that_fit(request, plan.shape);
    error = check_pages(request, plan.shape, prompt_policy, plan.memory.num_slabs);
  }
  if (error) row.fail(std::move(*error));
  row.prompt_ids = std::move(request.prompt);
}

InputSurvey survey_input(const GenerateOptions& job, const Checkpoint& checkpoint,
                         const Tokenizer* tokenizer, const JobPlan& plan, size_t max_listed) {
  const ModelChat chat = open_chat(job, checkpoint);
  RequestReader reader(job.inputs, job.row_defaults(), job.input_options);
  RowSource source(reader,
                   PromptEncoder(tokenizer, chat, plan.shape.max_model_len, job.long_prompts));
  // Enough for the mean length of outputs to be known to about a tenth.
  constexpr size_t kMinSample = 128;
  const size_t sample_rows = std::max(static_cast<size_t>(plan.shape.max_num_seqs), kMinSample);
  const size_t window =
      job.engine.rows_sorted_together(static_cast<size_t>(plan.shape.max_num_seqs));
  InputSurvey survey(sample_rows, max_listed, PrefixSurvey(window, plan.shape.short_context));
  while (std::optional<InputRow> row = source.pop()) {
    check_row(*row, checkpoint.config, plan, job.engine.prompt_policy);
    survey.add(*row);
  }
  survey.finish();
  return survey;
}

// Follows the course of the job; with an engine, which runs some rows for it, also its time.
void forecast(const GenerateOptions& job, const InputSurvey& survey, const Tokenizer* tokenizer,
              Engine* engine, JobPlan& plan) {
  Calibration speed;
  if (engine != nullptr) {
    speed = calibrate(*engine, tokenizer, survey.sample, job.format);
  }
  const auto simulate = [&](const EngineOptions& options) {
    return simulate_job(survey.shapes, options, plan.shape, plan.memory.num_slabs, speed.lengths,
                        speed.prefill, speed.decode, plan.devices.size());
  };
  plan.course = simulate(job.engine);
  if (engine == nullptr) return;
  if (plan.course.shared_tokens > 0) {
    EngineOptions unshared = job.engine;
    unshared.share_prefixes = false;
    plan.saved_seconds = simulate(unshared).seconds - plan.course.seconds;
  }
  const double host_seconds =
      speed.host_seconds_per_token * static_cast<double>(plan.course.output_tokens);
  // One engine waits for the host after each step; several work on meanwhile.
  plan.seconds = plan.devices.size() == 1 ? plan.course.seconds + host_seconds
                                          : std::max(plan.course.seconds, host_seconds);
}

Json to_json(const std::vector<InputSurvey::Listed>& listed) {
  Json rows = Json::array();
  for (const InputSurvey::Listed& row : listed) {
    Json entry = {{"line", row.place.line}, {"code", row.code}, {"message", row.message}};
    if (!row.place.file.empty()) entry["input"] = row.place.file;
    rows.push_back(std::move(entry));
  }
  return rows;
}

Json to_json(const LengthCounts& lengths) {
  Json bins = Json::array();
  for (const LengthCounts::Bin& bin : lengths.histogram()) {
    bins.push_back({{"first", bin.first}, {"last", bin.last}, {"rows", bin.rows}});
  }
  return {{"total", lengths.tokens()},     {"mean", lengths.mean()},
          {"p50", lengths.quantile(0.5)},  {"p90", lengths.quantile(0.9)},
          {"p99", lengths.quantile(0.99)}, {"max", lengths.quantile(1.0)},
          {"histogram", std::move(bins)}};
}

std::string format_json(const GenerateOptions& job, const JobPlan& plan,
                        const InputSurvey& survey) {
  Json ledger = Json::array();
  for (const MemoryItem& item : plan.memory.ledger) {
    ledger.push_back({{"name", item.name}, {"bytes", item.bytes}});
  }
  Json report = {{"inputs", job.inputs},
                 {"rows", survey.rows},
                 {"good_rows", survey.rows - survey.bad_rows},
                 {"bad_rows", survey.bad_rows},
                 {"error_codes", survey.bad_codes},
                 {"first_bad_rows", to_json(survey.bad_listed)},
                 {"duplicate_ids", survey.duplicate_ids},
                 {"first_duplicate_ids", to_json(survey.duplicates_listed)},
                 {"truncated_rows", survey.truncated_rows},
                 {"prompt_tokens", to_json(survey.prompts)},
                 {"max_output_tokens", survey.max_output_tokens},
                 {"device", plan.device},
                 {"num_devices", plan.devices.size()},
                 {"dtype", dtype_name(plan.shape.dtype)},
                 {"max_num_seqs", plan.shape.max_num_seqs},
                 {"max_model_len", plan.shape.max_model_len},
                 {"memory_plan", ledger},
                 {"batches", plan.course.batches},
                 {"prefix_sharing",
                  {{"shared_tokens", plan.course.shared_tokens},
                   {"shared_tokens_by_level", plan.course.shared_tokens_by_level}}},
                 {"prefill_passes", plan.course.prefill_passes},
                 {"decode_steps", plan.course.decode_steps},
                 {"padding",
                  {{"computed", plan.course.computed_pads},
                   {"padded_would_compute", plan.course.padded_pads},
                   {"min_length_replay_steps", plan.course.min_length_steps},
                   {"serial_replay_steps", plan.course.serial_steps}}}};
  if (plan.seconds) {
    report["expected"] = {{"seconds_after_loading", *plan.seconds},
                          {"seconds_loading", plan.load_seconds},
                          {"output_tokens", plan.course.output_tokens}};
  }
  if (plan.saved_seconds) report["prefix_sharing"]["saved_seconds"] = *plan.saved_seconds;
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void append_listed(std::ostream& out, const std::vector<InputSurvey::Listed>& listed,
                   int64_t count) {
  for (const InputSurvey::Listed& row : listed) {
    const std::string place = row.place.text() + ": ";
    out << "  " << (row.message.starts_with(place) ? "" : place) << row.message << '\n';
  }
  const int64_t rest = count - static_cast<int64_t>(listed.size());
  if (rest > 0) out << "  and " << rest << " more\n";
}

void append_input(std::ostream& out, const std::vector<std::string>& inputs,
                  const InputSurvey& survey) {
  out << inputs.front();
  if (inputs.size() > 1) out << " and " << inputs.size() - 1 << " more";
  out << ": " << survey.rows << " rows, " << survey.rows - survey.bad_rows << " good, "
      << survey.bad_rows << " bad\n";
  for (const auto& [code, count] : survey.bad_codes) out << "  " << code << ' ' << count << '\n';
  append_listed(out, survey.bad_listed, survey.bad_rows);
  out << "duplicate ids: " << survey.duplicate_ids << '\n';
  append_listed(out, survey.duplicates_listed, survey.duplicate_ids);
  if (survey.truncated_rows > 0) out << "truncated prompts: " << survey.truncated_rows << '\n';
  const LengthCounts& prompts = survey.prompts;
  out << "prompt tokens: " << prompts.tokens() << "; a row's mean " << prompts.mean() << ", median "
      << prompts.quantile(0.5) << ", p99 " << prompts.quantile(0.99) << ", longest "
      << prompts.quantile(1.0) << '\n';
  for (const LengthCounts::Bin& bin : prompts.histogram()) {
    if (bin.rows > 0) {
      out << "  " << bin.first << " to " << bin.last << ": " << bin.rows << " rows\n";
    }
  }
  out << "output tokens: at most " << survey.max_output_tokens << '\n';
}

std::string format_text(const GenerateOptions& job, const JobPlan& plan,
                        const InputSurvey& survey) {
  std::ostringstream out;
  append_input(out, job.inputs, survey);
  out << "on " << plan.device << " in " << dtype_name(plan.shape.dtype) << ", "
      << plan.shape.max_num_seqs << " rows together, of at most " << plan.shape.max_model_len
      << " tokens\n"
      << format_ledger(plan.memory.ledger, plan.devices.size() > 1 ? "each" : "")
      << "batches: " << plan.course.batches << ", " << job.prompt_policy << ": "
      << plan.course.computed_pads << " pads, padded would compute " << plan.course.padded_pads
      << "; decode steps that would feed prompts: min-length " << plan.course.min_length_steps
      << ", serial " << plan.course.serial_steps << '\n';
  if (const int64_t shared = plan.course.shared_tokens; shared > 0) {
    out << "shared prefixes: " << shared << " of the prompt tokens, in "
        << plan.course.shared_tokens_by_level.size() << " levels, are not computed again";
    if (plan.saved_seconds) {
      out << "; saves about " << std::setprecision(2) << *plan.saved_seconds << " s";
    }
    out << '\n';
  }
  if (plan.seconds) {
    out << "expected: about " << std::setprecision(2) << *plan.seconds << " s after loading, for "
        << plan.course.output_tokens << " output tokens; loading about " << plan.load_seconds
        << " s\n";
  }
  return out.str();
}

}  // namespace

int validate(GenerateOptions job, const ValidateOptions& options) {
  settle_output_format(job);
  const Checkpoint checkpoint = open_model(locate_model(job.model), job.config_policy);
  settle_sampling(job, checkpoint.config);
  JobPlan plan = plan_job(job, checkpoint.config);
  const std::unique_ptr<Tokenizer> tokenizer =
      load_tokenizer_if_any(job.tokenizer, checkpoint.tokenizer_directory);
  const InputSurvey survey =
      survey_input(job, checkpoint, tokenizer.get(), plan, options.max_listed);
  if (options.calibrate) {
    EngineOptions engine_options = job.engine;
    engine_options.device = plan.devices.front();
    Engine engine(checkpoint.config, checkpoint.loader, engine_options);
    plan.memory.ledger = engine.memory();
    plan.load_seconds = engine.stats().load_seconds;
    forecast(job, survey, tokenizer.get(), &engine, plan);
  } else {
    forecast(job, survey, tokenizer.get(), nullptr, plan);
  }
  std::cout << (options.json ? format_json(job, plan, survey) : format_text(job, plan, survey));
  std::cout.flush();
  require(std::cout.good(), "standard output: cannot write");
  return survey.bad_rows > 0 ? kExitFailedRows : kExitOk;
}

void add_validate_command(CLI::App& app, int& exit_code) {
  struct Command {
    GenerateOptions job;
    ValidateOptions options;
  };
  const auto command = std::make_shared<Command>();
  CLI::App* sub = app.add_subcommand(
      "validate", "Say what `generate` with the same flags would do, without doing it");
  add_generate_options(*sub, command->job);
  const std::string group = "Report";
  sub->add_flag("--json", command->options.json, "One JSON object, for programs")->group(group);
  sub->add_flag(
         "--calibrate,!--no-calibrate", command->options.calibrate,
         "Load the model, run some of the rows and say about how long the job will take, on a\n"
         "machine that does nothing else; the default, and it takes its time")
      ->group(group);
  sub->add_option("--max-listed", command->options.max_listed,
                  "Bad rows and duplicate ids that are named; all are counted")
      ->capture_default_str()
      ->group(group);
  sub->footer(
      "Reads the whole input; writes nothing but the report on standard output.\n"
      "Exit codes: 0 all rows good, 1 what would end the job, 2 wrong usage, 3 bad rows.");
  sub->callback([command, &exit_code] { exit_code = validate(command->job, command->options); });
}

}  // namespace eet
