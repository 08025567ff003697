// What a row's result depends on, as a hash: equal keys, equal rows of the output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/job/input/input_row.h"
#include "app/job/input/row_format.h"
#include "app/job/journal/hash.h"

namespace eet {

// What the results of all rows of a job depend on.
struct JobIdentity {
  std::string program;  // name and version
  Hash128 model;        // fingerprint of weights, configuration and tokenizer
  std::string device;   // kind: bits differ between GPUs, and between CPUs' instruction sets
  std::string dtype;
  OutputFormat format;        // the model's name counts only where rows have it
  uint64_t seed = 0;          // of rows that have none themselves
  int64_t max_model_len = 0;  // ends rows
};

// Of all but seed and max_model_len, which not every row depends on.
Hash128 job_hash(const JobIdentity& job);

// What shards of one job have in common, on whatever machine each ran: all of `job` but the kind of
// the device and the room it left, what rows have that say nothing themselves, and how `chat` says
// that conversations are rendered.
Hash128 shards_hash(JobIdentity job, const RowDefaults& defaults, std::string_view chat);

// Of a row that has been tokenized and checked. The row's index counts only where it names the
// row's random stream, its line only in an error's message; of max_tokens and the room that the
// model's positions leave, the smaller counts.
Hash128 row_key(const InputRow& row, const JobIdentity& job, const Hash128& hash_of_job);

}  // namespace eet
