// How many tokens a second the host can take from its engines, with everything that a job does to
// them.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/job/stopwatch.h"
#include "app/job/text/model_tokenizer.h"
#include "lib/parallel/engine_group.h"
#include "tests/app/simulated_job.h"
#include "tests/app/temp_directory.h"
#include "tests/lib/parallel/simulated_engine.h"

namespace {

using namespace eet;

constexpr int kRowsPerStep = 256;

constexpr const char* kUsage =
    "usage: host_speed TOKENIZER [ENGINES [ROWS [TOKENS [RATE [THREADS]]]]]\n"
    "\n"
    "Runs a job on simulated engines: ROWS rows (20000) are read, tokenized with TOKENIZER (a\n"
    "model's folder), turned into text and written with a journal. Each of ENGINES engines (8) "
    "gives\n"
    "RATE tokens a second (200000), 256 rows a step; a row has TOKENS/2 to 3*TOKENS/2 of them "
    "(200).\n"
    "THREADS turn them into text (as in a job with so many devices).\n"
    "\n"
    "\"full\" is the rows of a step by 256: less at the job's beginning and end. \"busy\" is the "
    "time\n"
    "that steps take by all time: less where engines waited for the host, and while the first "
    "rows\n"
    "are read and the output is put together. With ENGINES and RATE they make the tokens a "
    "second;\n"
    "with more ROWS, beginning and end count less.\n";

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

double cpu_seconds(int of_whom) {
  rusage usage{};
  ::getrusage(of_whom, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

// Ids of the tokenizer, at a given rate: a step that is late does not make the next one wait.
class PacedEngine : public test::SimulatedEngine {
 public:
  PacedEngine(test::SimulatedOptions options, double seconds_per_step)
      : SimulatedEngine(std::move(options)), seconds_per_step_(seconds_per_step) {}

  std::span<const TokenOutput> step() override {
    using Clock = std::chrono::steady_clock;
    const auto length = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(seconds_per_step_));
    const Clock::time_point now = Clock::now();
    next_ = std::max(next_ + length, now - 100 * length);
    if (next_ > now) std::this_thread::sleep_until(next_);
    return SimulatedEngine::step();
  }

 private:
  double seconds_per_step_;
  std::chrono::steady_clock::time_point next_;
};

std::string rows_text(int64_t rows, int64_t tokens) {
  std::string text;
  for (int64_t row = 0; row < rows; ++row) {
    text += concat("{\"id\": ", row,
                   ", \"prompt\": \"Write a short story about a brave little fox who finds a "
                   "lantern in the snow, number ",
                   row, ".\", \"max_tokens\": ", tokens / 2 + row * 7919 % (tokens + 1), "}\n");
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int index, int64_t otherwise) {
    return argc > index ? std::atoll(argv[index]) : otherwise;
  };
  if (argc < 2 || argv[1][0] == '-') {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(argv[1]);
  const auto engines = static_cast<size_t>(number(2, 8));
  const int64_t rows = number(3, 20'000);
  const int64_t tokens = number(4, 200);
  const double step = kRowsPerStep / static_cast<double>(number(5, 200'000));
  const auto threads = static_cast<int>(number(6, text_threads(engines)));

  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", rows_text(rows, tokens));
  EngineGroup group(
      [&](size_t i) {
        return std::make_unique<PacedEngine>(
            test::SimulatedOptions{.name = concat("sim:", i),
                                   .max_num_seqs = kRowsPerStep,
                                   .sort_window = 16 * kRowsPerStep,
                                   .vocab_size = tokenizer->vocab_size()},
            step);
      },
      {.num_engines = engines});
  const Stopwatch watch;
  const double cpu_before = cpu_seconds(RUSAGE_SELF);
  const double job_cpu_before = cpu_seconds(RUSAGE_THREAD);
  const test::SimulatedJobResult result = test::run_simulated_job(
      input, dir.file("out.jsonl"), group, tokenizer.get(), {}, /*resume=*/false, threads);
  const double seconds = watch.seconds();
  const double cpu = cpu_seconds(RUSAGE_SELF) - cpu_before;
  const double job_cpu = cpu_seconds(RUSAGE_THREAD) - job_cpu_before;
  const auto out = static_cast<double>(result.counts.output_tokens);
  const auto steps = static_cast<double>(group.stats().decode_steps);
  std::printf("%zu engines: %.0f tokens in %.2f s: %.0f tokens/s, %.0f%% full, %.0f%% busy%s\n",
              engines, out, seconds, out / seconds, 100 * out / (steps * kRowsPerStep),
              100 * steps * step / (seconds * static_cast<double>(engines)),
              result.failure.c_str());
  std::printf(
      "CPU time: %.2f s, %.0f tokens/s a core; of the job's own thread %.2f s, %.0f tokens/s\n"
      "tokenize %.2f s, text and journal %.2f s on %d threads, output at the end %.2f s\n",
      cpu, out / cpu, job_cpu, out / job_cpu, result.tokenize_seconds, result.output_seconds,
      threads, result.finish_seconds);
  return result.failure.empty() ? 0 : 1;
}
