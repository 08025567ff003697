#include "app/job/job_stats.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "app/job/progress.h"

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
  good.token_ids.assign(30, 1);
  stats.counts.add(good, 100);
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
  stats.engine.decode_steps = 29;
  stats.engine.decode_row_steps = 58;
  stats.memory = {{"weights", 1024}, {"KV cache", 2048}};
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
  CHECK(json["padding"]["computed"] == 0);
  CHECK(json["padding"]["padded_would_compute"] == 16);
  CHECK(json["finish_reasons"]["stop"] == 0);
  CHECK(json["error_codes"]["prompt_too_long"] == 1);
  CHECK(json["memory"]["plan"][1]["bytes"] == 2048);
  CHECK(json["versions"]["eet"] == EET_VERSION);
}

TEST_CASE("a job of nothing has rates of zero") {
  const auto json = nlohmann::json::parse(format_json(JobStats()));
  CHECK(json["tokens_per_second"]["prefill"] == 0);
  CHECK(json["requests_per_second"] == 0);
}

TEST_CASE("the memory plan ends with its sum") {
  const auto stats = sample_stats();
  CHECK(format_ledger(stats.memory) ==
        "memory plan:\n"
        "       1.0 KiB  weights\n"
        "       2.0 KiB  KV cache\n"
        "       3.0 KiB  in all\n");
}

TEST_CASE("progress names rows, speed and, where the size is known, the time left") {
  const JobCounts counts = sample_stats().counts;
  CHECK(progress_line(counts, 2.0, std::nullopt) == "3 rows, 30 tokens/s, 1 failed");
  CHECK(progress_line(counts, 2.0, 250 + 250 * 1800) ==
        "3 rows, 30 tokens/s, 1 failed, ETA 1:00:00");
  CHECK(progress_line(JobCounts(), 0.0, 100) == "0 rows, 0 tokens/s");
}

}  // namespace
}  // namespace eet
