#include "app/bench.h"

#include <algorithm>
#include <iostream>
#include <memory>

#include "app/bench/context_sweep.h"
#include "app/bench/measure.h"
#include "app/bench/models.h"
#include "app/bench/options.h"
#include "app/bench/report.h"
#include "app/bench/result_writer.h"
#include "app/bench/workload.h"
#include "app/engines.h"
#include "app/exit_code.h"
#include "lib/core/error.h"
#include "lib/device.h"
#include "lib/memory_plan.h"

namespace eet {
namespace {

std::vector<BenchModel> open_models(const BenchOptions& options) {
  std::vector<BenchModel> models;
  for (const std::string& path : options.models) {
    models.push_back(options.random_weights ? open_bench_shape(path, options.config_policy)
                                            : open_bench_model(path, options.config_policy));
  }
  for (const std::string& path : options.configs)
    models.push_back(open_bench_shape(path, options.config_policy));
  return models.empty() ? paper_shapes() : models;
}

void print_ceilings(const BenchSetting& setting) {
  const Ceilings& ceilings = setting.ceilings;
  std::cerr << "eet bench: " << setting.device << ": read " << ceilings.read_bytes_per_second * 1e-9
            << " GB/s, copy " << ceilings.copy_bytes_per_second * 1e-9 << " GB/s, " << setting.dtype
            << " product of " << ceilings.product_size << "^3 " << ceilings.flops_per_second * 1e-9
            << " GFLOP/s\n";
}

// Measured on one of them before the engines take their memory.
void measure_devices(const BenchModel& model, const EngineOptions& engine,
                     const std::vector<std::string>& devices, BenchSetting& setting) {
  const OpenDevice device(devices.front(), engine.num_threads);
  const DType dtype = choose_shape(model.config, engine, device).dtype;
  setting.backend = device.context().on_cuda() ? "CUDA" : "CPU";
  setting.num_devices = devices.size();
  setting.device = describe_devices(devices.size(), device.description());
  setting.dtype = dtype_name(dtype);
  setting.parameters = parameter_count(model.config);
  setting.model_bytes = setting.parameters * static_cast<int64_t>(dtype_size(dtype));
  setting.costs = model_costs(model.config, dtype);
  setting.ceilings = measure_ceilings(device.context(), dtype);
  const auto count = static_cast<double>(devices.size());
  setting.ceilings.read_bytes_per_second *= count;
  setting.ceilings.copy_bytes_per_second *= count;
  setting.ceilings.flops_per_second *= count;
}

// As many positions as the longest test takes, unless the user has said.
int64_t choose_model_len(const BenchModel& model, const EngineOptions& engine,
                         const std::vector<BenchTest>& tests) {
  int64_t longest = 1;
  for (const BenchTest& test : tests) {
    const int64_t positions = test.max_positions();
    require(positions <= model.config.max_position_embeddings, test.name, ": expected at most the ",
            model.config.max_position_embeddings, " positions of ", model.name, ", got ", positions,
            "; use shorter prompts or fewer tokens (--max-context, --max-output for --lengths)");
    longest = std::max(longest, positions);
  }
  return engine.max_model_len > 0 ? engine.max_model_len : longest;
}

void warn_of_small_batch(const BenchTest& test, const Measurement& measurement, int max_num_seqs,
                         size_t num_devices) {
  const int rows = measurement.median().work.most_rows();
  const int wanted = std::min(test.batch / static_cast<int>(num_devices), max_num_seqs);
  if (test.kind != BenchTest::Kind::kPrefill && rows < wanted) {
    std::cerr << "eet: warning: " << test.name << ": only " << rows << " of " << wanted
              << " rows ran together: the KV cache holds no more\n";
  }
}

void run_tests(const BenchModel& model, const BenchOptions& options,
               const std::vector<BenchTest>& tests, ResultWriter& writer) {
  BenchSetting setting;
  setting.model = model.name;
  setting.path = model.path;
  setting.schedule = options.schedule;
  setting.prompt_policy = options.prompt_policy;
  setting.pad_fraction = options.tests.pad_fraction;
  setting.shared_prefix = options.requests.shared_prefix;
  setting.replays_prompts = replays_prompts(options.engine.prompt_policy);
  EngineOptions engine_options = options.engine;
  engine_options.max_model_len = choose_model_len(model, options.engine, tests);
  const Warn warn = [](const std::string& message) {
    std::cerr << "eet: warning: " << message << '\n';
  };
  measure_devices(model, engine_options,
                  devices_of(engine_options, options.data_parallel_size, [](const std::string&) {}),
                  setting);
  print_ceilings(setting);

  const std::unique_ptr<Generator> engines =
      make_engines(model.config, model.loader, engine_options, options.data_parallel_size, warn);
  Generator& engine = *engines;
  require(engine.reports().size() == setting.num_devices, "only ", engine.reports().size(), " of ",
          setting.num_devices, " devices can take the model; use --data-parallel-size ",
          engine.reports().size());
  const auto max_rows = engine.max_num_seqs() * static_cast<int>(setting.num_devices);
  setting.max_num_seqs = engine.max_num_seqs();
  setting.max_model_len = engine.max_model_len();
  setting.load_seconds = engine.stats().load_seconds;
  for (const BenchTest& test : tests) {
    require(test.kind == BenchTest::Kind::kRequests || test.batch <= max_rows,
            "-b: expected at most --max-num-seqs ", max_rows, ", got ", test.batch,
            "; only whole requests (--pg) wait for each other");
    const Measurement measurement =
        measure(engine, model.config.vocab_size, test, options.requests, options.repeats);
    warn_of_small_batch(test, measurement, engine.max_num_seqs(), setting.num_devices);
    int64_t peak_device_bytes = 0;
    for (const EngineReport& device : engine.reports()) {
      peak_device_bytes += device.peak_device_bytes;
    }
    writer.add(report(setting, test, measurement, peak_device_bytes));
    if (options.explain) {
      std::cerr << model.name << ' ' << test.name << ", " << setting.dtype << ", " << test.batch
                << " rows\n"
                << explain_limit(setting.costs, counted_work(test.kind, measurement.median()),
                                 setting.ceilings);
    }
  }
}

int bench(const BenchOptions& options) {
  const std::vector<BenchModel> models = open_models(options);
  const std::vector<BenchTest> tests = plan_tests(options.tests);
  ResultWriter writer(std::cout, options.format);
  for (const BenchModel& model : models) {
    if (options.sweep_context) {
      sweep_context(model, options.engine, options.sweep, options.requests, writer);
    } else {
      run_tests(model, options, tests, writer);
    }
  }
  writer.finish();
  return kExitOk;
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("bench", "Measure prefill, decode and whole jobs against the limit");
  const auto options = std::make_shared<BenchOptions>();
  add_bench_options(*command, *options);
  command->callback([command, options, &exit_code] {
    complete_bench_options(*command, *options);
    exit_code = bench(*options);
  });
}

}  // namespace eet
