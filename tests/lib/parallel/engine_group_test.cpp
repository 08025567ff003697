// Groups of simulated engines with their threads: what comes out, and what becomes of failures.
#include "lib/parallel/engine_group.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <numeric>
#include <random>

#include "tests/lib/parallel/simulated_engine.h"
#include "tests/lib/small_engine.h"

using namespace eet;
using namespace eet::test;

namespace {

using Samples = std::map<std::pair<uint64_t, int32_t>, std::vector<int32_t>>;

// Rows of all lengths, some with several samples.
std::vector<Request> mixed_rows(size_t count) {
  std::vector<Request> rows;
  for (uint64_t row = 0; row < count; ++row) {
    rows.push_back(simulated_request(row, 1 + static_cast<int>(row % 300),
                                     1 + static_cast<int>(row * row % 23), row % 10 == 3 ? 3 : 1));
  }
  return rows;
}

Samples expected_of(const std::vector<Request>& rows) {
  Samples samples;
  for (const Request& row : rows) {
    for (int32_t sample = 0; sample < row.params.n; ++sample) {
      for (int i = 0; i < row.params.max_tokens; ++i) {
        samples[{row.row, sample}].push_back(simulated_token(row.row, sample, i));
      }
    }
  }
  return samples;
}

struct Outcome {
  Samples samples;
  std::map<uint64_t, std::string> errors;  // code of a row
};

// As a job does it. `seen` is called with each output, and may stop rows.
template <typename Seen>
Outcome run(Generator& group, std::vector<Request> rows, Seen&& seen) {
  Outcome outcome;
  size_t next = 0;
  for (;;) {
    while (next < rows.size() && group.num_waiting() < group.sort_window()) {
      group.add_request(std::move(rows[next++]));
    }
    if (!group.has_work()) break;
    for (const TokenOutput& output : group.step()) {
      if (output.finish == FinishReason::kError) {
        outcome.errors[output.row] = output.error->code;
      } else {
        outcome.samples[{output.row, output.sample}].push_back(output.token_id);
      }
      seen(output);
    }
  }
  return outcome;
}

Outcome run(Generator& group, const std::vector<Request>& rows) {
  return run(group, rows, [](const TokenOutput&) {});
}

struct Fixture {
  std::vector<SimulatedOptions> engines;
  std::vector<std::string> warnings;
  bool may_leave_out = false;

  explicit Fixture(size_t count) : engines(count) {
    for (size_t e = 0; e < count; ++e) engines[e].name = concat("sim:", e);
  }
  EngineGroup make() {
    return EngineGroup(
        [this](size_t e) -> std::unique_ptr<Generator> {
          if (engines[e].max_num_seqs == 0) throw Error(concat(engines[e].name, ": no memory"));
          return std::make_unique<SimulatedEngine>(engines[e]);
        },
        {.num_engines = engines.size(),
         .may_leave_out = may_leave_out,
         .schedule = Schedule::kRefill,
         .warn = [this](const std::string& text) { warnings.push_back(text); }});
  }
  // Engines [begin, end) fail; the others wait for that in their fourth step.
  void let_fail(size_t begin, size_t end) {
    const auto gate = std::make_shared<Gate>(static_cast<int>(end - begin));
    for (size_t e = 0; e < engines.size(); ++e) {
      (begin <= e && e < end ? engines[e].opens : engines[e].awaits) = gate;
    }
  }
};

}  // namespace

TEST_CASE("1 to 64 engines give what one gives") {
  const std::vector<Request> rows = mixed_rows(700);
  const Samples expected = expected_of(rows);
  for (const size_t count : {1, 2, 3, 8, 64}) {
    CAPTURE(count);
    Fixture fixture(count);
    EngineGroup group = fixture.make();
    CHECK(run(group, rows).samples == expected);
    CHECK(group.stats().output_tokens ==
          std::accumulate(expected.begin(), expected.end(), int64_t{0},
                          [](int64_t sum, const auto& sample) {
                            return sum + static_cast<int64_t>(sample.second.size());
                          }));
    CHECK(group.reports().size() == count);
    CHECK(fixture.warnings.empty());
    // A group can be used again.
    CHECK(run(group, rows).samples == expected);
  }
}

TEST_CASE("rows of an engine that fails run on the others, and nothing comes twice") {
  const std::vector<Request> rows = mixed_rows(300);
  const Samples expected = expected_of(rows);
  for (const int64_t step : {0, 1, 2, 5, 17}) {
    for (const size_t failing : {1, 3}) {
      CAPTURE(step);
      CAPTURE(failing);
      Fixture fixture(4);
      for (size_t e = 0; e < failing; ++e) {
        fixture.engines[e].fails_at_step = step + static_cast<int64_t>(3 * e);
      }
      fixture.let_fail(0, failing);
      EngineGroup group = fixture.make();
      const Outcome outcome = run(group, rows);
      CHECK(outcome.samples == expected);
      CHECK(outcome.errors.empty());
      CHECK(fixture.warnings.size() == failing);
      for (const std::string& warning : fixture.warnings) {
        CHECK(warning.find("the bus is gone") != std::string::npos);
      }
      size_t failed = 0;
      for (const EngineReport& report : group.reports()) failed += report.failure ? 1 : 0;
      CHECK(failed == failing);
    }
  }
}

TEST_CASE("a device's fault ends the group, once all that was known is returned") {
  const std::vector<Request> rows = mixed_rows(300);
  const Samples expected = expected_of(rows);
  for (const size_t count : {1, 2, 8}) {
    for (const int64_t step : {0, 1, 9, 40}) {
      CAPTURE(count);
      CAPTURE(step);
      Fixture fixture(count);
      fixture.engines.back().faults_at_step = step;
      fixture.let_fail(count - 1, count);
      EngineGroup group = fixture.make();
      Samples known;
      std::string reason;
      try {
        run(group, rows, [&](const TokenOutput& output) {
          known[{output.row, output.sample}].push_back(output.token_id);
        });
      } catch (const DeviceFault& fault) {
        reason = fault.what();
      }
      CHECK(reason == concat("sim:", count - 1, " failed: a stray write"));
      CHECK(fixture.warnings.empty());
      // Of the engine that failed, all steps before are known.
      if (count == 1) CHECK(known.empty() == (step == 0));
      for (const auto& [sample, tokens] : known) {
        const std::vector<int32_t>& whole = expected.at(sample);
        REQUIRE(tokens.size() <= whole.size());
        CHECK(std::equal(tokens.begin(), tokens.end(), whole.begin()));
      }
      // It stays at an end, and does not hang.
      CHECK(group.has_work());
      CHECK_THROWS_AS(group.step(), DeviceFault);
    }
  }
}

TEST_CASE("a fault after another engine was dropped ends the group, too") {
  Fixture fixture(3);
  fixture.engines[0].fails_at_step = 2;
  fixture.engines[1].faults_at_step = 30;
  fixture.let_fail(1, 2);
  fixture.engines[0].awaits.reset();
  fixture.engines[0].opens = fixture.engines[1].awaits = std::make_shared<Gate>();
  EngineGroup group = fixture.make();
  CHECK_THROWS_AS(run(group, mixed_rows(300)), DeviceFault);
}

TEST_CASE("a device whose fault shows while it loads is left out where others can be used") {
  Fixture fixture(3);
  EngineGroup group(
      [&](size_t e) -> std::unique_ptr<Generator> {
        if (e == 0) throw DeviceFault("sim:0: an uncorrectable memory error");
        return std::make_unique<SimulatedEngine>(fixture.engines[e]);
      },
      {.num_engines = 3, .may_leave_out = true, .warn = [&](const std::string& text) {
         fixture.warnings.push_back(text);
       }});
  const std::vector<Request> rows = mixed_rows(100);
  CHECK(run(group, rows).samples == expected_of(rows));
  REQUIRE(fixture.warnings.size() == 1);
  CHECK(fixture.warnings[0] == "left out: sim:0: an uncorrectable memory error");
}

TEST_CASE("when the last engine fails, all that was known is returned, and then the reason") {
  Fixture fixture(3);
  for (size_t e = 0; e < 3; ++e) fixture.engines[e].fails_at_step = 4 + static_cast<int64_t>(e);
  EngineGroup group = fixture.make();
  const std::vector<Request> rows = mixed_rows(300);
  const Samples expected = expected_of(rows);
  Samples samples;
  for (const Request& row : rows) group.add_request(row);
  std::string reason;
  try {
    while (group.has_work()) {
      for (const TokenOutput& output : group.step()) {
        samples[{output.row, output.sample}].push_back(output.token_id);
      }
    }
  } catch (const Error& error) {
    reason = error.what();
  }
  CHECK(reason.find("the bus is gone") != std::string::npos);
  CHECK(reason.find("sim:") != std::string::npos);
  CHECK(fixture.warnings.size() == 2);
  CHECK(group.has_work());
  CHECK_FALSE(samples.empty());
  for (const auto& [key, tokens] : samples) {
    const std::vector<int32_t>& all = expected.at(key);
    CHECK(std::equal(tokens.begin(), tokens.end(), all.begin()));
  }
}

TEST_CASE("a row whose tokens another engine does not repeat is an error, not a mixture") {
  Fixture fixture(2);
  fixture.engines[0].fails_at_step = 5;
  fixture.engines[1].wrong_from_step = 0;
  fixture.let_fail(0, 1);
  fixture.engines[1].waits_at_step = 0;
  EngineGroup group = fixture.make();
  std::vector<Request> rows;
  for (uint64_t row = 0; row < 8; ++row) rows.push_back(simulated_request(row, 5, 30));
  const Outcome outcome = run(group, rows);
  // The rows that the first engine had begun; the others are the second one's alone.
  CHECK_FALSE(outcome.errors.empty());
  for (const auto& [row, code] : outcome.errors) CHECK(code == "not_reproduced");
  for (const auto& [key, tokens] : outcome.samples) {
    const bool failed = outcome.errors.contains(key.first);
    CHECK(tokens.size() == (failed ? 5 : 30));
    for (size_t i = 0; i < tokens.size(); ++i) {
      const int32_t right = simulated_token(key.first, key.second, static_cast<int64_t>(i));
      CHECK(tokens[i] == right + (failed ? 0 : 1));
    }
  }
}

TEST_CASE("stopped rows end wherever they are, and the others go on") {
  const std::vector<Request> rows = mixed_rows(400);
  const Samples expected = expected_of(rows);
  for (const int64_t fails_at : {-1, 9}) {
    Fixture fixture(3);
    fixture.engines[1].fails_at_step = fails_at;
    EngineGroup group = fixture.make();
    const Outcome outcome = run(group, rows, [&](const TokenOutput& output) {
      if (output.row % 3 == 0) group.stop(output.row, output.sample);
    });
    for (const auto& [key, tokens] : expected) {
      const std::vector<int32_t>& got = outcome.samples.at(key);
      if (key.first % 3 != 0) CHECK(got == tokens);
      CHECK(std::equal(got.begin(), got.end(), tokens.begin()));
    }
  }
}

TEST_CASE("rows wait for an engine with memory for them, and have an error when it fails") {
  std::vector<Request> rows = mixed_rows(100);
  for (uint64_t row = 100; row < 110; ++row) rows.push_back(simulated_request(row, 5000, 20));
  for (const int64_t fails_at : {-1, 3}) {
    Fixture fixture(3);
    for (size_t e = 0; e < 2; ++e) fixture.engines[e].max_positions = 1000;
    fixture.engines[2].fails_at_step = fails_at;
    EngineGroup group = fixture.make();
    CHECK_FALSE(group.check(rows.back()));
    CHECK(group.check(simulated_request(1, 2'000'000, 5))->code == "does_not_fit");
    const Outcome outcome = run(group, rows);
    if (fails_at < 0) {
      CHECK(outcome.samples == expected_of(rows));
      CHECK(outcome.errors.empty());
    } else {
      CHECK(outcome.errors.size() == 10);
      for (const auto& [row, code] : outcome.errors) CHECK(row >= 100);
    }
  }
}

TEST_CASE("an engine that cannot be made is left out or ends the job, as asked") {
  const std::vector<Request> rows = mixed_rows(50);
  Fixture fixture(3);
  fixture.engines[1].max_num_seqs = 0;
  CHECK_THROWS_WITH_AS(fixture.make(), "sim:1: no memory", Error);
  fixture.may_leave_out = true;
  {
    EngineGroup group = fixture.make();
    CHECK(run(group, rows).samples == expected_of(rows));
    CHECK(group.reports().size() == 2);
    CHECK(fixture.warnings == std::vector<std::string>{"left out: sim:1: no memory"});
  }
  for (SimulatedOptions& engine : fixture.engines) engine.max_num_seqs = 0;
  CHECK_THROWS_WITH_AS(fixture.make(), "sim:0: no memory", Error);
}

TEST_CASE("engines of different kinds are no group") {
  Fixture fixture(2);
  fixture.engines[1].kind = "another";
  CHECK_THROWS_AS(fixture.make(), Error);
}

TEST_CASE("a group may go while its engines work") {
  Fixture fixture(4);
  for (SimulatedOptions& engine : fixture.engines) engine.step_time = std::chrono::microseconds(50);
  EngineGroup group = fixture.make();
  for (const Request& row : mixed_rows(400)) group.add_request(row);
  group.step();
  CHECK(group.has_work());
}

TEST_CASE("engines wait for a caller who does not take their tokens") {
  Fixture fixture(2);
  for (SimulatedOptions& engine : fixture.engines) engine.max_num_seqs = 64;
  EngineGroup group = fixture.make();
  std::vector<Request> rows;
  for (uint64_t row = 0; row < 256; ++row) rows.push_back(simulated_request(row, 5, 1000));
  for (const Request& row : rows) group.add_request(row);
  size_t most = 0;
  size_t tokens = 0;
  while (group.has_work()) {
    const size_t given = group.step().size();
    most = std::max(most, given);
    tokens += given;
    if (tokens < 100'000) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(tokens == 256'000);
  CHECK(most < (size_t{1} << 16) + 3 * 64);
}

TEST_CASE("whatever fails and stops at whatever time, every row ends once and is right") {
  std::mt19937 random(17);
  const auto draw = [&](int bound) { return static_cast<int>(random() % bound); };
  for (int round = 0; round < 30; ++round) {
    CAPTURE(round);
    const size_t count = size_t{2} + draw(7);
    Fixture fixture(count);
    for (size_t e = 0; e < count; ++e) {
      fixture.engines[e].max_num_seqs = 4 + draw(5);
      fixture.engines[e].max_num_seqs = fixture.engines[0].max_num_seqs;
      if (e > 0 && draw(2) == 0) fixture.engines[e].fails_at_step = draw(40);
      fixture.engines[e].step_time = std::chrono::microseconds(draw(100));
    }
    EngineGroup group = fixture.make();
    const std::vector<Request> rows = mixed_rows(size_t{50} + draw(300));
    const uint64_t stopped = uint64_t{2} + draw(5);
    const Outcome outcome = run(group, rows, [&](const TokenOutput& output) {
      if (output.row % stopped == 1 && output.token_id % 4 == 0) {
        group.stop(output.row, output.sample);
      }
    });
    CHECK(outcome.errors.empty());
    for (const auto& [key, tokens] : expected_of(rows)) {
      const auto found = outcome.samples.find(key);
      REQUIRE(found != outcome.samples.end());
      const std::vector<int32_t>& got = found->second;
      REQUIRE(got.size() <= tokens.size());
      CHECK(std::equal(got.begin(), got.end(), tokens.begin()));
      if (key.first % stopped != 1) CHECK(got.size() == tokens.size());
    }
  }
}

TEST_CASE("two engines on the CPU give the bits of one") {
  std::vector<Request> rows;
  for (uint64_t row = 0; row < 23; ++row) {
    Request request = make_request(row, 1 + static_cast<int>(row * row * 7 % 290),
                                   1 + static_cast<int>(row % 9) * 3);
    request.params.temperature = row % 3 == 0 ? 0.0F : 0.9F;
    if (row % 5 == 3) request.params.n = 2;
    if (row % 7 == 6) request.score_from = 1;
    rows.push_back(request);
  }
  EngineOptions options = cpu_options();
  options.num_threads = 1;
  options.max_num_seqs = 5;
  using Bits = std::map<std::pair<uint64_t, int32_t>, std::vector<std::pair<int32_t, float>>>;
  const auto bits = [&](Generator& generator) {
    Bits all;
    run(generator, rows, [&](const TokenOutput& output) {
      all[{output.row, output.sample}].emplace_back(output.token_id, output.logprob);
    });
    return all;
  };
  Engine one(small_config(), {}, options);
  const Bits expected = bits(one);
  for (const PromptPolicy policy : {PromptPolicy::kPacked, PromptPolicy::kMinLength}) {
    for (const Schedule schedule : {Schedule::kRefill, Schedule::kStatic}) {
      options.prompt_policy = policy;
      options.schedule = schedule;
      if (policy == PromptPolicy::kMinLength) {
        for (Request& row : rows) row.score_from.reset();
      }
      EngineGroup group(
          [&](size_t) { return std::make_unique<Engine>(small_config(), TensorLoader(), options); },
          {.num_engines = 2, .schedule = schedule});
      for (const auto& [key, values] : bits(group)) {
        if (policy == PromptPolicy::kMinLength && key.first % 7 == 6) continue;
        CHECK(values == expected.at(key));
      }
    }
  }
}
