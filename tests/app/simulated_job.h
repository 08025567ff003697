// A whole job, from file to file, on engines without a model.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <optional>
#include <string>

#include "app/job/input/request_reader.h"
#include "app/job/input/row_source.h"
#include "app/job/job.h"
#include "app/job/output/job_output.h"
#include "app/job/progress.h"
#include "app/job/stopwatch.h"
#include "lib/generator.h"
#include "tokenizer/tokenizer.h"

namespace eet::test {

struct SimulatedJobResult {
  JobCounts counts;
  double output_seconds = 0;
  double tokenize_seconds = 0;
  double finish_seconds = 0;  // from the last row to the output
  std::string failure;        // what the job threw, and how to go on; empty: it is complete
};

// With token ids in the output. `defaults` are those of rows that say nothing.
inline SimulatedJobResult run_simulated_job(const std::string& input, const std::string& output,
                                            Generator& engine, const Tokenizer* tokenizer,
                                            const RowDefaults& defaults, bool resume = false,
                                            int text_threads = 1) {
  RequestReader reader({input}, defaults);
  SafetyOptions safety;
  safety.resume = resume;
  safety.overwrite = !resume;
  JobOutput job_output(output, safety, {});
  JobIdentity identity;
  identity.program = "simulated";
  identity.format.token_ids = true;
  CompletionSink& sink = job_output.start(identity, {}, 0);
  RowSource source(reader, PromptEncoder(tokenizer, {}, engine.max_model_len()));
  Progress progress(
      stderr, [] { return JobSize(); }, ProgressStyle::kNone);
  Job job(source, engine, tokenizer, sink, progress, {.text_threads = text_threads});
  const StopRequested never = [] { return false; };
  SimulatedJobResult result;
  try {
    job.run(never);
    const ScopedTimer timer(result.finish_seconds);
    sink.finish([] {}, never);
    result.tokenize_seconds = source.tokenize_seconds();  // its thread has ended
  } catch (const std::exception& error) {
    result.failure = concat(error.what(), "; ", sink.suspend());
    reader.cancel();
  }
  result.counts = job.counts();
  result.output_seconds = job.output_seconds();
  return result;
}

}  // namespace eet::test
