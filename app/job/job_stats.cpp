#include "app/job/job_stats.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace eet {
namespace {

[[gnu::format(printf, 1, 2)]] std::string printed(const char* format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return text;
}

std::string format_bytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return printed(unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
}

double rate(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

// What both forms of the report derive from the counters.
struct Derived {
  explicit Derived(const JobStats& stats)
      : pads(stats.engine.prompt_positions - stats.engine.prompt_tokens),
        real_prompt_tokens(stats.engine.prompt_tokens + stats.engine.shared_tokens),
        pads_of_padded(stats.engine.padded_positions - real_prompt_tokens),
        total_seconds(stats.load_seconds + stats.job_seconds),
        prefill_rate(rate(stats.engine.prompt_tokens, stats.engine.prefill_seconds)),
        saved_seconds(rate(stats.engine.shared_tokens, prefill_rate)),
        decode_rate(rate(stats.engine.decode_row_steps, stats.engine.decode_seconds)),
        run_output_tokens(stats.counts.output_tokens - stats.counts.served_output_tokens),
        run_tokens(run_output_tokens + stats.counts.prompt_tokens -
                   stats.counts.served_prompt_tokens),
        output_rate(rate(run_output_tokens, stats.job_seconds)),
        total_rate(rate(run_tokens, stats.job_seconds)),
        row_rate(rate(stats.counts.rows - stats.counts.served_rows, stats.job_seconds)),
        rows_per_step(
            rate(stats.engine.decode_row_steps, static_cast<double>(stats.engine.decode_steps))),
        occupancy(stats.max_num_seqs > 0 ? rows_per_step / stats.max_num_seqs : 0.0) {}
  int64_t pads;
  int64_t real_prompt_tokens;  // computed or shared
  int64_t pads_of_padded;
  double total_seconds;
  double prefill_rate;   // tokens/s, as decode_rate, output_rate and total_rate
  double saved_seconds;  // of prompt passes, had they computed what was shared
  double decode_rate;
  int64_t run_output_tokens;  // of this run alone, as all rates
  int64_t run_tokens;
  double output_rate;
  double total_rate;
  double row_rate;
  double rows_per_step;
  double occupancy;  // share of the slots that a decode step works on
};

nlohmann::ordered_json quantiles(const QuantileSketch& sketch) {
  return {{"p50", sketch.quantile(0.5)},
          {"p90", sketch.quantile(0.9)},
          {"p99", sketch.quantile(0.99)},
          {"max", sketch.max()}};
}

std::string format_counts(const std::map<std::string, int64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += concat(text.empty() ? "" : ", ", name, " ", count);
  }
  return text;
}

int64_t peak_device_bytes(std::span<const EngineReport> devices) {
  int64_t bytes = 0;
  for (const EngineReport& device : devices) bytes += device.peak_device_bytes;
  return bytes;
}

std::vector<MemoryItem> sum_of_ledgers(std::span<const EngineReport> devices) {
  std::vector<MemoryItem> sum;
  for (const EngineReport& device : devices) {
    for (const MemoryItem& item : device.memory) {
      const auto same = std::find_if(
          sum.begin(), sum.end(), [&](const MemoryItem& other) { return other.name == item.name; });
      if (same == sum.end()) {
        sum.push_back(item);
      } else {
        same->bytes += item.bytes;
      }
    }
  }
  return sum;
}

nlohmann::ordered_json to_json(std::span<const MemoryItem> memory) {
  nlohmann::ordered_json plan = nlohmann::ordered_json::array();
  for (const MemoryItem& item : memory) {
    plan.push_back({{"name", item.name}, {"bytes", item.bytes}});
  }
  return plan;
}

double rows_per_step(const EngineStats& stats) {
  return rate(stats.decode_row_steps, static_cast<double>(stats.decode_steps));
}

nlohmann::ordered_json to_json(const EngineReport& device) {
  const EngineStats& e = device.stats;
  return {{"name", device.name},
          {"device", device.device},
          {"failure", device.failure ? nlohmann::ordered_json(*device.failure) : nullptr},
          {"prompt_tokens", e.prompt_tokens},
          {"output_tokens", e.output_tokens},
          {"seconds",
           {{"load", e.load_seconds},
            {"prefill", e.prefill_seconds},
            {"decode", e.decode_seconds},
            {"decode_idle", e.decode_idle_seconds}}},
          {"batches", e.batches},
          {"prefill_passes", e.prefill_passes},
          {"decode_steps", e.decode_steps},
          {"rows_per_decode_step", rows_per_step(e)},
          {"peak_device_bytes", device.peak_device_bytes},
          {"plan", to_json(device.memory)}};
}

// A line of the summary.
std::string format_device(const EngineReport& device) {
  const EngineStats& e = device.stats;
  std::string text =
      printed("  %-11s %8.3f s prefill, %.3f s decode, %lld tokens, %.1f rows a step",
              device.name.c_str(), e.prefill_seconds, e.decode_seconds,
              static_cast<long long>(e.output_tokens), rows_per_step(e));
  if (device.failure) text += "; failed in mid-job";
  return text + "\n";
}

}  // namespace

void JobCounts::add_outcome(const RowOutcome& outcome, int64_t row_input_bytes) {
  ++rows;
  input_bytes += row_input_bytes;
  ++finish_reasons[finish_name(outcome.finish)];
  if (outcome.finish == FinishReason::kError) {
    ++error_codes[outcome.error_code];
    return;
  }
  prompt_tokens += outcome.prompt_tokens;
  output_tokens += outcome.completion_tokens;
}

void JobCounts::add(const Completion& completion, int64_t row_input_bytes) {
  add_outcome(outcome_of(completion), row_input_bytes);
  if (completion.error) return;
  waiting_seconds.add(completion.waited_seconds);
  row_seconds.add(completion.seconds);
}

void JobCounts::add_served(const RowOutcome& outcome, int64_t row_input_bytes) {
  add_outcome(outcome, row_input_bytes);
  ++served_rows;
  served_input_bytes += row_input_bytes;
  if (outcome.finish == FinishReason::kError) return;
  served_prompt_tokens += outcome.prompt_tokens;
  served_output_tokens += outcome.completion_tokens;
}

int64_t peak_host_bytes() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return int64_t{usage.ru_maxrss} * 1024;  // Linux counts in KiB
}

std::string format_ledger(std::span<const MemoryItem> memory, const std::string& of) {
  std::string text = concat("memory plan", of.empty() ? "" : " of ", of, ":\n");
  int64_t sum = 0;
  for (const MemoryItem& item : memory) {
    text += printed("  %12s  ", format_bytes(item.bytes).c_str()) + item.name + "\n";
    sum += item.bytes;
  }
  return text + printed("  %12s  in all\n", format_bytes(sum).c_str());
}

std::string format_ledgers(std::span<const EngineReport> devices) {
  std::string text;
  for (const EngineReport& device : devices) {
    text += format_ledger(device.memory, devices.size() > 1 ? device.name : "");
  }
  return text;
}

std::string format_summary(const JobStats& stats) {
  const Derived d(stats);
  const EngineStats& e = stats.engine;
  std::string text = concat(stats.counts.rows, " rows on ", stats.device, " in ", stats.dtype, " (",
                            format_counts(stats.counts.finish_reasons), ")\n");
  if (!stats.counts.error_codes.empty()) {
    text += concat("  errors      ", format_counts(stats.counts.error_codes), "\n");
  }
  if (stats.counts.served_rows + stats.changed_rows + stats.retried_rows > 0) {
    text +=
        concat("  resumed     ", stats.counts.served_rows, " rows served from the journal, ",
               stats.changed_rows, " changed and ", stats.retried_rows, " failed ones run again\n");
  }
  for (const Restart& restart : stats.restarts) {
    text += printed("  restarted   after %.3f s and %lld rows: ", restart.seconds,
                    static_cast<long long>(restart.rows));
    text += concat(restart.reason, "\n");
  }
  text += printed("  tokens      %lld prompt, %lld output\n",
                  static_cast<long long>(stats.counts.prompt_tokens),
                  static_cast<long long>(stats.counts.output_tokens));
  if (!stats.sampling.empty()) text += concat("  sampling    ", stats.sampling, "\n");
  text += printed("  load        %8.3f s\n", stats.load_seconds);
  text += printed("  tokenize    %8.3f s\n", stats.tokenize_seconds);
  text += printed("  prefill     %8.3f s  %10.1f tokens/s\n", e.prefill_seconds, d.prefill_rate);
  if (e.shared_tokens > 0) {
    text +=
        printed("  prefixes    %8.3f s  of prefill saved: %lld of %lld prompt tokens shared, in ",
                d.saved_seconds, static_cast<long long>(e.shared_tokens),
                static_cast<long long>(d.real_prompt_tokens));
    text += concat(e.shared_tokens_by_level.size(), " levels\n");
  }
  text += printed("  decode      %8.3f s  %10.1f tokens/s, %.1f rows a step (%.0f %% of %d)\n",
                  e.decode_seconds, d.decode_rate, d.rows_per_step, 100 * d.occupancy,
                  stats.max_num_seqs);
  text += printed("  write       %8.3f s  (with detokenizing)\n", stats.output_seconds);
  text += printed("  overall     %8.3f s  after loading\n", stats.job_seconds);
  const QuantileSketch& latency = stats.counts.row_seconds;
  const QuantileSketch& waiting = stats.counts.waiting_seconds;
  text += printed("  row latency %8.3f s median, %.3f s p99 from a row's first token on, after\n",
                  latency.quantile(0.5), latency.quantile(0.99));
  text += printed("  waiting     %8.3f s median, %.3f s p99 for other rows and its prompt\n",
                  waiting.quantile(0.5), waiting.quantile(0.99));
  if (stats.devices.size() > 1) {
    for (const EngineReport& device : stats.devices) text += format_device(device);
  }
  text += concat("  batches     ", e.batches, ", ", stats.prompt_policy, ": ", d.pads,
                 " pads computed, padded would have ", d.pads_of_padded, "\n");
  text += concat("  peak memory ", format_bytes(peak_device_bytes(stats.devices)), " device, ",
                 format_bytes(stats.peak_host_bytes), " host\n");
  return text + printed("Throughput: %.2f requests/s, %.1f total tokens/s, %.1f output tokens/s\n",
                        d.row_rate, d.total_rate, d.output_rate);
}

std::string format_json(const JobStats& stats) {
  using nlohmann::ordered_json;
  const Derived d(stats);
  const EngineStats& e = stats.engine;
  ordered_json devices = ordered_json::array();
  for (const EngineReport& device : stats.devices) devices.push_back(to_json(device));
  ordered_json versions = {{"eet", EET_VERSION}};
  if (!stats.cuda.runtime.empty()) versions["cuda_runtime"] = stats.cuda.runtime;
  if (!stats.cuda.driver.empty()) versions["cuda_driver"] = stats.cuda.driver;
  const ordered_json report = {
      {"stats_version", kStatsVersion},
      {"versions", versions},
      {"model", stats.model},
      {"device", stats.device},
      {"dtype", stats.dtype},
      {"schedule", stats.schedule},
      {"prompt_policy", stats.prompt_policy},
      {"sampling", stats.sampling},
      {"max_num_seqs", stats.max_num_seqs},
      {"max_model_len", stats.max_model_len},
      {"prompts", stats.counts.rows},
      {"prompt_tokens", stats.counts.prompt_tokens},
      {"output_tokens", stats.counts.output_tokens},
      {"scored_tokens", e.scored_tokens},
      {"finish_reasons", stats.counts.finish_reasons},
      {"error_codes", stats.counts.error_codes},
      {"resumed",
       {{"served", stats.counts.served_rows},
        {"changed", stats.changed_rows},
        {"retried", stats.retried_rows}}},
      {"restarts", to_json(stats.restarts)},
      {"seconds",
       {{"load", stats.load_seconds},
        {"tokenize", stats.tokenize_seconds},
        {"prefill", e.prefill_seconds},
        {"decode", e.decode_seconds},
        {"decode_idle", e.decode_idle_seconds},
        {"detokenize_write", stats.output_seconds},
        {"job", stats.job_seconds},
        {"total", d.total_seconds}}},
      {"tokens_per_second",
       {{"prefill", d.prefill_rate},
        {"decode", d.decode_rate},
        {"output", d.output_rate},
        {"total", d.total_rate}}},
      {"requests_per_second", d.row_rate},
      {"batches", e.batches},
      {"prefill_passes", e.prefill_passes},
      {"decode_steps", e.decode_steps},
      {"rows_per_decode_step", d.rows_per_step},
      {"occupancy", d.occupancy},
      {"row_waiting_seconds", quantiles(stats.counts.waiting_seconds)},
      {"row_latency_seconds", quantiles(stats.counts.row_seconds)},
      {"prefix_sharing",
       {{"shared_tokens", e.shared_tokens},
        {"shared_tokens_by_level", e.shared_tokens_by_level},
        {"saved_prefill_seconds", d.saved_seconds}}},
      {"padding",
       {{"prompt_tokens", d.real_prompt_tokens},
        {"computed", d.pads},
        {"padded_would_compute", d.pads_of_padded}}},
      {"memory",
       {{"peak_device_bytes", peak_device_bytes(stats.devices)},
        {"peak_host_bytes", stats.peak_host_bytes},
        {"plan", to_json(sum_of_ledgers(stats.devices))}}},
      {"devices", std::move(devices)},
  };
  return report.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace eet
