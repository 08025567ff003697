#include "app/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "lib/core/error.h"

namespace eet {
namespace {

// Feeds as a job does: no further ahead than the engine sorts.
Run run_once(Generator& engine, std::vector<Request> requests) {
  using Clock = std::chrono::steady_clock;
  for (const Request& request : requests) {
    if (const std::optional<RowError> error = engine.check(request)) throw Error(error->message);
  }
  const EngineStats before = engine.stats();
  const Clock::time_point begin = Clock::now();
  size_t next = 0;
  while (next < requests.size() || engine.has_work()) {
    while (next < requests.size() && engine.num_waiting() < engine.sort_window()) {
      engine.add_request(std::move(requests[next++]));
    }
    engine.step();
  }
  const std::chrono::duration<double> elapsed = Clock::now() - begin;
  const EngineStats after = engine.stats();
  return {.wall_seconds = elapsed.count(),
          .prefill_seconds = after.prefill_seconds - before.prefill_seconds,
          .decode_seconds = after.decode_seconds - before.decode_seconds,
          .decode_idle_seconds = after.decode_idle_seconds - before.decode_idle_seconds,
          .work = work_between(before, after)};
}

}  // namespace

double counted_seconds(BenchTest::Kind kind, const Run& run) {
  return kind == BenchTest::Kind::kDecode ? run.decode_seconds : run.wall_seconds;
}

Work counted_work(BenchTest::Kind kind, const Run& run) {
  Work work = run.work;
  if (kind == BenchTest::Kind::kDecode) {
    work.prefill_passes = work.prefill_tokens = work.prefill_context_tokens = 0;
  }
  return work;
}

Measurement measure(Generator& engine, int64_t vocab_size, const BenchTest& test,
                    const RequestOptions& options, const Repeats& repeats) {
  Measurement measurement;
  measurement.began = std::chrono::system_clock::now();
  for (int i = repeats.warm_up ? 0 : 1; i <= repeats.timed; ++i) {
    // Rows of one engine have different numbers, and with them different random streams.
    const auto seed = static_cast<uint64_t>(i);
    Run run = run_once(engine,
                       make_requests(test, options, vocab_size, seed, seed * test.requests.size()));
    if (i == 0) continue;
    measurement.seconds_in_order.push_back(counted_seconds(test.kind, run));
    measurement.runs.push_back(std::move(run));
  }
  std::sort(measurement.runs.begin(), measurement.runs.end(), [&](const Run& a, const Run& b) {
    return counted_seconds(test.kind, a) < counted_seconds(test.kind, b);
  });
  return measurement;
}

}  // namespace eet
