#include "app/bench/report.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <vector>

#include "app/version.h"

namespace eet {
namespace {

using nlohmann::ordered_json;

std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

// "2026-01-31T12:00:00Z"
std::string utc_text(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Of a sample, that is over n - 1; 0 for a single value.
double standard_deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double centre = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double prompt_tokens(const BenchTest& test) {
  double tokens = 0;
  for (const RequestLengths& lengths : test.requests) tokens += lengths.prompt_tokens;
  return tokens;
}

// Numbers derived from a measurement.
struct Summary {
  Summary(const BenchSetting& setting, const BenchTest& test, const Measurement& measurement)
      : run(measurement.median()),
        seconds(counted_seconds(test.kind, run)),
        tokens(static_cast<double>(test.counted_tokens())),
        limit(compute_limit(setting.costs, counted_work(test.kind, run), setting.ceilings)),
        limit_holds(
            !caches_invalidate(setting.costs, counted_work(test.kind, run), setting.ceilings)) {
    for (const double each : measurement.seconds_in_order) rates.push_back(tokens / each);
  }
  double rate() const { return tokens / seconds; }
  double percent_of_limit() const { return 100.0 * limit.seconds() / seconds; }

  const Run& run;  // the median
  double seconds;
  double tokens;
  Limit limit;
  bool limit_holds;
  std::vector<double> rates;  // tokens/s of each run, as they came
};

void add_setting(ordered_json& record, const BenchSetting& setting) {
  record["eet_version"] = EET_VERSION;
  record["build_commit"] = build_commit();
  record["model_filename"] = setting.path;
  record["model_type"] = setting.model;
  record["model_size"] = setting.model_bytes;
  record["model_n_params"] = setting.parameters;
  record["backend"] = setting.backend;
  record["device"] = setting.device;
  record["n_devices"] = setting.num_devices;
  record["dtype"] = setting.dtype;
  record["schedule"] = setting.schedule;
  record["prompt_policy"] = setting.prompt_policy;
  record["max_num_seqs"] = setting.max_num_seqs;
  record["max_model_len"] = setting.max_model_len;
  record["pad_fraction"] = setting.pad_fraction;
  record["shared_prefix"] = setting.shared_prefix;
}

void add_test(ordered_json& record, const BenchTest& test) {
  record["test"] = test.name;
  record["n_batch"] = test.batch;
  record["n_prompt"] = test.prompt_tokens;
  record["n_gen"] = test.new_tokens;
  record["n_depth"] = test.depth;
  record["n_requests"] = test.requests.size();
  record["prompt_tokens"] = prompt_tokens(test);
}

void add_result(ordered_json& record, const Summary& summary, double step_ms) {
  const Run& run = summary.run;
  record["counted_tokens"] = summary.tokens;
  record["median_seconds"] = summary.seconds;
  record["wall_seconds"] = run.wall_seconds;
  record["prefill_seconds"] = run.prefill_seconds;
  record["decode_seconds"] = run.decode_seconds;
  record["decode_idle_seconds"] = run.decode_idle_seconds;
  record["median_ts"] = summary.rate();
  record["avg_ts"] = mean(summary.rates);
  record["stddev_ts"] = standard_deviation(summary.rates);
  record["min_ts"] = *std::min_element(summary.rates.begin(), summary.rates.end());
  record["max_ts"] = *std::max_element(summary.rates.begin(), summary.rates.end());
  record["ms_per_step"] = step_ms;
  record["prefill_passes"] = run.work.prefill_passes;
  record["decode_steps"] = run.work.decode_steps();
  record["max_rows_per_step"] = run.work.most_rows();
  record["limit_seconds"] = summary.limit.seconds();
  record["percent_of_limit"] = summary.percent_of_limit();
  record["limit_holds"] = summary.limit_holds;
  record["samples_ts"] = summary.rates;
}

}  // namespace

double ms_per_step(const Run& run, bool replays_prompts) {
  const int64_t passes = run.work.prefill_passes;
  const int64_t steps = run.work.decode_steps();
  if (replays_prompts) {
    return 1e3 * (run.prefill_seconds + run.decode_seconds) / static_cast<double>(passes + steps);
  }
  return steps > 0 ? 1e3 * run.decode_seconds / static_cast<double>(steps)
                   : 1e3 * run.prefill_seconds / static_cast<double>(passes);
}

ResultRow report(const BenchSetting& setting, const BenchTest& test, const Measurement& measurement,
                 int64_t peak_device_bytes) {
  const Summary summary(setting, test, measurement);
  // Steps are those of all devices, which take them at the same time.
  const double step_ms =
      static_cast<double>(setting.num_devices) * ms_per_step(summary.run, setting.replays_prompts);
  const int batch = test.batch > 0 ? test.batch : setting.max_num_seqs;

  ResultRow row;
  row.cells = {{"model", setting.model},
               {"size", printed("%.2f GiB", std::ldexp(setting.model_bytes, -30))},
               {"params", printed("%.2f M", 1e-6 * static_cast<double>(setting.parameters))},
               {"backend", setting.backend},
               {"dtype", setting.dtype},
               {"n_batch", std::to_string(batch)},
               {"test", test.name},
               {"t/s", printed("%.2f", summary.rate()) +
                           printed(" ± %.2f", standard_deviation(summary.rates))},
               {"ms/step", printed("%.3f", step_ms)},
               {"% of limit", printed("%.1f", summary.percent_of_limit()) +
                                  (summary.limit_holds ? "" : " (cached)")}};
  add_setting(row.record, setting);
  add_test(row.record, test);
  add_result(row.record, summary, step_ms);
  row.record["samples_seconds"] = measurement.seconds_in_order;
  row.record["test_time"] = utc_text(measurement.began);
  row.record["read_bytes_per_second"] = setting.ceilings.read_bytes_per_second;
  row.record["copy_bytes_per_second"] = setting.ceilings.copy_bytes_per_second;
  row.record["flops_per_second"] = setting.ceilings.flops_per_second;
  row.record["load_seconds"] = setting.load_seconds;
  row.record["peak_device_bytes"] = peak_device_bytes;
  return row;
}

}  // namespace eet
