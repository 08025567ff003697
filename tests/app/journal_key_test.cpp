#include "app/job/journal/journal_key.h"

#include <doctest/doctest.h>

#include <functional>
#include <vector>

namespace eet {
namespace {

InputRow sample_row() {
  InputRow row;
  row.row = 5;
  row.place = 6;
  row.id = "\"a\"";
  row.extra = ",\"k\":1";
  row.prompt_ids = {1, 2, 3};
  row.stop = {"x", "y"};
  return row;
}

JobIdentity sample_job() {
  JobIdentity job;
  job.program = "eet 1";
  job.model = {1, 2};
  job.device = "cpu";
  job.dtype = "fp32";
  job.seed = 9;
  job.max_model_len = 512;
  return job;
}

Hash128 key_of(const InputRow& row, const JobIdentity& job) {
  return row_key(row, job, job_hash(job));
}

using Change = std::function<void(InputRow&, JobIdentity&)>;

bool changes_key(const Change& change, const InputRow& row = sample_row()) {
  InputRow changed_row = row;
  JobIdentity changed_job = sample_job();
  change(changed_row, changed_job);
  return key_of(changed_row, changed_job) != key_of(row, sample_job());
}

TEST_CASE("whatever a row's result depends on is in its key") {
  const std::vector<Change> changes = {
      [](InputRow& row, JobIdentity&) { row.id = "\"b\""; },
      [](InputRow& row, JobIdentity&) { row.extra = ""; },
      [](InputRow& row, JobIdentity&) { row.model = "\"m\""; },
      [](InputRow& row, JobIdentity&) { row.is_chat = true; },
      [](InputRow& row, JobIdentity&) { row.truncated = true; },
      [](InputRow& row, JobIdentity&) { row.prompt_ids[2] = 4; },
      [](InputRow& row, JobIdentity&) { row.prompt_ids.pop_back(); },
      [](InputRow& row, JobIdentity&) { row.stop = {"xy"}; },
      [](InputRow& row, JobIdentity&) {
        row.stop = {"y", "x"};
      },
      [](InputRow& row, JobIdentity&) { row.params.max_tokens = 7; },
      [](InputRow& row, JobIdentity&) { row.params.min_tokens = 1; },
      [](InputRow& row, JobIdentity&) { row.params.temperature = 0.5F; },
      [](InputRow& row, JobIdentity&) { row.params.top_k = 4; },
      [](InputRow& row, JobIdentity&) { row.params.top_p = 0.5F; },
      [](InputRow& row, JobIdentity&) { row.params.min_p = 0.5F; },
      [](InputRow& row, JobIdentity&) { row.params.repetition_penalty = 1.5F; },
      [](InputRow& row, JobIdentity&) { row.params.presence_penalty = 0.5F; },
      [](InputRow& row, JobIdentity&) { row.params.frequency_penalty = 0.5F; },
      [](InputRow& row, JobIdentity&) { row.params.seed = 9; },
      [](InputRow& row, JobIdentity&) { row.params.stop_token_ids = {4}; },
      [](InputRow& row, JobIdentity&) { row.params.ignore_eos = true; },
      [](InputRow& row, JobIdentity&) {
        row.error = RowError{"code", "message"};
      },
      [](InputRow& row, JobIdentity&) { row.row = 6; },  // names the random stream
      [](InputRow&, JobIdentity& job) { job.seed = 10; },
      [](InputRow&, JobIdentity& job) { job.max_model_len = 100; },  // below max_tokens
      [](InputRow&, JobIdentity& job) { job.program = "eet 2"; },
      [](InputRow&, JobIdentity& job) {
        job.model = {1, 3};
      },
      [](InputRow&, JobIdentity& job) { job.device = "cuda"; },
      [](InputRow&, JobIdentity& job) { job.dtype = "bf16"; },
      [](InputRow& row, JobIdentity&) { row.echo = true; },
      [](InputRow&, JobIdentity& job) { job.format.token_ids = true; },
      [](InputRow& row, JobIdentity&) { row.logprobs = true; },
      [](InputRow& row, JobIdentity&) { row.top_logprobs = 1; },
      [](InputRow&, JobIdentity& job) { job.format.style = RowStyle::kOpenAi; },
      [](InputRow&, JobIdentity& job) {
        job.format.style = RowStyle::kOpenAi;
        job.format.model = "m";
      },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    CAPTURE(i);
    CHECK(changes_key(changes[i]));
  }
}

TEST_CASE("what a row's result does not depend on is not in its key") {
  const Change same = [](InputRow&, JobIdentity&) {};
  CHECK_FALSE(changes_key(same));
  CHECK_FALSE(changes_key([](InputRow& row, JobIdentity&) { row.place = 60; }));
  CHECK_FALSE(changes_key([](InputRow& row, JobIdentity&) { row.input_bytes = 60; }));
  CHECK_FALSE(changes_key([](InputRow&, JobIdentity& job) { job.max_model_len = 1024; }));
  CHECK_FALSE(changes_key([](InputRow&, JobIdentity& job) { job.format.model = "m"; }));

  InputRow greedy = sample_row();
  greedy.params.temperature = 0;
  CHECK_FALSE(changes_key([](InputRow& row, JobIdentity&) { row.row = 50; }, greedy));
  CHECK_FALSE(changes_key([](InputRow&, JobIdentity& job) { job.seed = 50; }, greedy));

  InputRow seeded = sample_row();
  seeded.params.seed = 3;
  CHECK_FALSE(changes_key([](InputRow& row, JobIdentity&) { row.row = 50; }, seeded));
  CHECK_FALSE(changes_key([](InputRow&, JobIdentity& job) { job.seed = 50; }, seeded));
}

TEST_CASE("shards of one job have the same hash on any machine, and others another") {
  const JobIdentity job = sample_job();
  RowDefaults defaults;
  defaults.stop = {"x"};
  const Hash128 hash = shards_hash(job, defaults, "chat");
  JobIdentity elsewhere = job;
  elsewhere.device = "cuda";
  elsewhere.max_model_len = 100;
  elsewhere.format.model = "another/place";
  CHECK(shards_hash(elsewhere, defaults, "chat") == hash);

  CHECK(shards_hash(job, defaults, "other chat") != hash);
  RowDefaults other_stop = defaults;
  other_stop.stop = {"y"};
  CHECK(shards_hash(job, other_stop, "chat") != hash);
  RowDefaults echoing = defaults;
  echoing.echo = true;
  CHECK(shards_hash(job, echoing, "chat") != hash);
  RowDefaults greedy = defaults;
  greedy.params.temperature = 0;
  const Hash128 hash_of_greedy = shards_hash(job, greedy, "chat");
  CHECK(hash_of_greedy != hash);
  JobIdentity reseeded = job;
  reseeded.seed = 10;
  CHECK(shards_hash(reseeded, greedy, "chat") != hash_of_greedy);
  JobIdentity other_model = job;
  other_model.model = {1, 3};
  CHECK(shards_hash(other_model, defaults, "chat") != hash);
}

}  // namespace
}  // namespace eet
