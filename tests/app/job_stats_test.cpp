#include "app/job/job_stats.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace eet {
namespace {

JobStats sample_stats() {
  JobStats stats;
  stats.device = "CPU";
  stats.dtype = "fp32";
  stats.prompt_policy = "packed";
  stats.load_seconds = 1;
  stats.job_seconds = 4;
  Completion good;
  good.finish = FinishReason::kLength;
  good.prompt_tokens = 10;
  good.completion_tokens = 30;
  good.waited_seconds = 0.5;
  good.seconds = 1;
  stats.counts.add(good, 100);
  good.seconds = 3;
  stats.counts.add(good, 100);
  Completion bad;
  bad.finish = FinishReason::kError;
  bad.prompt_tokens = 5000;
  bad.error = RowError{"prompt_too_long", "line 3: too long"};
  stats.counts.add(bad, 50);
  stats.engine.prefill_seconds = 2;
  stats.engine.prompt_tokens = 20;
  stats.engine.prompt_positions = 20;
  stats.engine.padded_positions = 36;
  stats.engine.decode_seconds = 1;
  stats.engine.decode_idle_seconds = 0.125;
  stats.engine.decode_steps = 29;
  stats.engine.decode_row_steps = 58;
  stats.devices.resize(1);
  stats.devices[0].memory = {{"weights", 1024}, {"KV cache", 2048}};
  return stats;
}

TEST_CASE("counts take tokens from good rows only") {
  const JobCounts counts = sample_stats().counts;
  CHECK(counts.rows == 3);
  CHECK(counts.input_bytes == 250);
  CHECK(counts.prompt_tokens == 20);
  CHECK(counts.output_tokens == 60);
  CHECK(counts.failed_rows() == 1);
  CHECK(counts.error_codes.at("prompt_too_long") == 1);
}

TEST_CASE("the JSON report has every rate and the padding of both policies") {
  const auto json = nlohmann::json::parse(format_json(sample_stats()));
  CHECK(json["tokens_per_second"]["prefill"] == 10);
  CHECK(json["tokens_per_second"]["decode"] == 58);
  CHECK(json["tokens_per_second"]["output"] == 15);
  CHECK(json["tokens_per_second"]["total"] == 20);
  CHECK(json["seconds"]["total"] == 5);
  CHECK(json["seconds"]["decode_idle"] == 0.125);
  CHECK(json["padding"]["computed"] == 0);
  CHECK(json["padding"]["padded_would_compute"] == 16);
  CHECK(json["finish_reasons"]["stop"] == 0);
  CHECK(json["error_codes"]["prompt_too_long"] == 1);
  CHECK(json["memory"]["plan"][1]["bytes"] == 2048);
  CHECK(json["stats_version"] == 1);
  CHECK(json["versions"]["eet"] == EET_VERSION);
}

TEST_CASE("a job of nothing has rates of zero") {
  const auto json = nlohmann::json::parse(format_json(JobStats()));
  CHECK(json["tokens_per_second"]["prefill"] == 0);
  CHECK(json["requests_per_second"] == 0);
}

TEST_CASE("the memory plan ends with its sum") {
  const auto stats = sample_stats();
  CHECK(format_ledgers(stats.devices) ==
        "memory plan:\n"
        "       1.0 KiB  weights\n"
        "       2.0 KiB  KV cache\n"
        "       3.0 KiB  in all\n");
}

TEST_CASE("a report has occupancy and the quantiles of row latency") {
  JobStats stats = sample_stats();
  stats.max_num_seqs = 4;
  const auto json = nlohmann::json::parse(format_json(stats));
  CHECK(json["occupancy"] == 0.5);
  CHECK(json["row_latency_seconds"]["max"] == 3.0);
  CHECK(json["row_waiting_seconds"]["max"] == 0.5);
  CHECK(json["row_latency_seconds"]["p50"].get<double>() == doctest::Approx(1.0).epsilon(0.02));
  CHECK(json["row_latency_seconds"]["p99"].get<double>() == doctest::Approx(3.0).epsilon(0.02));
  CHECK(format_summary(stats).find("2.0 rows a step (50 % of 4)") != std::string::npos);
}

TEST_CASE("quantiles of a long stream are within 2 %") {
  QuantileSketch sketch;
  for (int i = 1; i <= 100'000; ++i) sketch.add(i * 1e-3);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    CHECK(sketch.quantile(q) == doctest::Approx(100 * q).epsilon(0.02));
  }
  CHECK(sketch.count() == 100'000);
  CHECK(sketch.max() == 100.0);
}

TEST_CASE("quantiles of nothing and of what is out of range are defined") {
  QuantileSketch sketch;
  CHECK(sketch.quantile(0.5) == 0.0);
  sketch.add(0.0);
  sketch.add(1e9);
  CHECK(sketch.quantile(0.0) <= 1e-5);
  CHECK(sketch.quantile(1.0) >= 0.9e6);
  CHECK(sketch.max() == 1e9);
}

}  // namespace
}  // namespace eet
