// The benchmark's parts: its lists, its workloads, its limit against numbers worked out by hand;
// and the command on the CPU as a user runs it.
#include "app/bench.h"

#include <doctest/doctest.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Error.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "app/bench/context_sweep.h"
#include "app/bench/int_list.h"
#include "app/bench/lengths_file.h"
#include "app/bench/limit.h"
#include "app/bench/measure.h"
#include "app/bench/models.h"
#include "app/bench/result_writer.h"
#include "app/bench/workload.h"
#include "lib/core/error.h"
#include "lib/model/tensors.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

const std::string kModel = EET_SOURCE_DIR "/tests/golden/models/tales-gpt2";

using doctest::Approx;
using nlohmann::json;

const std::string kShapes = EET_SOURCE_DIR "/samples/shapes/";

// A model so small that a run takes milliseconds.
BenchModel tiny_model() {
  BenchModel model = open_bench_shape(kShapes + "llama-3.2-1b");
  model.config.vocab_size = 300;
  model.config.hidden_size = model.config.embedding_size = 32;
  LayerConfig layer = model.config.layer(0);
  layer.mlp.intermediate_size = 48;
  layer.attention.num_heads = 4;
  layer.attention.num_kv_heads = 2;
  layer.attention.head_dim = layer.attention.rope.rotary_dim = 8;
  model.config.set_uniform_layers(layer, 2);
  model.config.bos_token_id.reset();
  model.config.eos_token_ids.clear();
  return model;
}

EngineOptions tiny_engine(int max_num_seqs) {
  EngineOptions options;
  options.device = "cpu";
  options.num_threads = 1;
  options.max_num_seqs = max_num_seqs;
  options.max_model_len = 128;
  return options;
}

// What `eet bench arguments` prints.
std::string run_bench(std::vector<std::string> arguments) {
  CLI::App app("test");
  int exit_code = -1;
  add_bench_command(app, exit_code);
  std::ostringstream out;
  std::ostringstream err;
  std::streambuf* const cout_buffer = std::cout.rdbuf(out.rdbuf());
  std::streambuf* const cerr_buffer = std::cerr.rdbuf(err.rdbuf());
  const auto restore = [&] {
    std::cout.rdbuf(cout_buffer);
    std::cerr.rdbuf(cerr_buffer);
  };
  try {
    arguments.insert(arguments.begin(), {"bench", "--device", "cpu"});
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(arguments);
  } catch (...) {
    restore();
    throw;
  }
  restore();
  CHECK(exit_code == 0);
  return out.str();
}

TEST_CASE("lists of numbers read as llama-bench's do") {
  CHECK(parse_int_list("512") == std::vector<int>{512});
  CHECK(parse_int_list("1,32,128") == std::vector<int>{1, 32, 128});
  CHECK(parse_int_list("1-4") == std::vector<int>{1, 2, 3, 4});
  CHECK(parse_int_list("0-1024+512,7") == std::vector<int>{0, 512, 1024, 7});
  CHECK(parse_int_list("1-20*4") == std::vector<int>{1, 4, 16});
  CHECK(parse_pair_list("512+128,1000+1") ==
        std::vector<std::pair<int, int>>{{512, 128}, {1000, 1}});
}

TEST_CASE("malformed lists of numbers are refused") {
  for (const char* text : {"", ",", "1,", "a", "-1", "1-", "4-1", "1-4+0", "1-4*1", "0-4*2", "1 2",
                           "99999999999", "0-16777216", "1.5"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_int_list(text), Error);
  }
  for (const char* text : {"", "512", "512+", "0+5", "5+0", "5,5", "1+2+3"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_pair_list(text), Error);
  }
}

TEST_CASE("recorded lengths are read, cut and limited in number") {
  const TempDirectory dir;
  const std::string path =
      dir.write("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\nx,107,15\r\n,5000,0\n\nx,1,2\n");
  const std::vector<RequestLengths> all = read_lengths_file(path, {});
  REQUIRE(all.size() == 3);
  CHECK(all[0].prompt_tokens == 107);
  CHECK(all[0].new_tokens == 15);
  CHECK(all[1].prompt_tokens == 5000);
  CHECK(all[1].new_tokens == 1);
  const std::vector<RequestLengths> cut =
      read_lengths_file(path, {.max_requests = 2, .max_context = 100, .max_output = 10});
  REQUIRE(cut.size() == 2);
  CHECK(cut[0].prompt_tokens == 100);
  CHECK(cut[0].new_tokens == 10);
  CHECK(read_lengths_file(dir.write("b.csv", "3,4\n"), {}).front().prompt_tokens == 3);
  CHECK_THROWS_WITH_AS(read_lengths_file(dir.write("c.csv", "1,2\n1,x\n"), {}),
                       doctest::Contains("line 2"), Error);
  CHECK_THROWS_AS(read_lengths_file(dir.write("d.csv", "a,b\n"), {}), Error);
  CHECK_THROWS_AS(read_lengths_file(dir.write("e.csv", "-1,5\n-1,5\n"), {}), Error);
  CHECK_THROWS_AS(read_lengths_file(dir.file("none"), {}), Error);
}

TEST_CASE("a pad fraction is the share that left-padding would waste") {
  for (const double fraction : {0.0, 0.25, 0.5, 0.75}) {
    CAPTURE(fraction);
    const std::vector<int> lengths = ragged_lengths(128, 1024, fraction);
    const double real = std::accumulate(lengths.begin(), lengths.end(), 0.0);
    CHECK(1.0 - real / (128.0 * 1024.0) == Approx(fraction).epsilon(0.01));
    CHECK(*std::max_element(lengths.begin(), lengths.end()) == 1024);
    CHECK(*std::min_element(lengths.begin(), lengths.end()) >= 1);
  }
  CHECK(ragged_lengths(1, 7, 0.5) == std::vector<int>{7});
}

TEST_CASE("prompts are random, share the prefix asked for, and never stop early") {
  TestPlan plan;
  plan.pairs = {{20, 5}};
  plan.batches = {3};
  const BenchTest test = plan_tests(plan).front();
  RequestOptions options;
  options.shared_prefix = 8;
  const std::vector<Request> requests = make_requests(test, options, 300, 1, 100);
  REQUIRE(requests.size() == 3);
  std::set<int32_t> ids;
  for (const Request& request : requests) {
    CHECK(request.prompt.size() == 20);
    CHECK(request.params.ignore_eos);
    CHECK(request.params.max_tokens == 5);
    CHECK(
        std::equal(request.prompt.begin(), request.prompt.begin() + 8, requests[0].prompt.begin()));
    ids.insert(request.prompt.begin() + 8, request.prompt.end());
  }
  CHECK(requests[2].row == 102);
  CHECK(ids.size() > 20);  // 36 draws of 297 ids
  CHECK(*ids.begin() >= 3);
  CHECK(requests[0].prompt[8] != requests[1].prompt[8]);
  CHECK(make_requests(test, options, 300, 2, 0)[0].prompt != requests[0].prompt);
}

TEST_CASE("the costs of GPT-2 124M and Llama-3 8B are those worked out by hand") {
  const ModelCosts gpt2 = model_costs(open_bench_shape(kShapes + "gpt2-124m").config, DType::kBF16);
  // 124,439,808 parameters without 1024 x 768 positions; the tied head reads the token table.
  CHECK(gpt2.weight_bytes == 2.0 * (124439808 - 786432));
  // 12 layers of 768 x (2304 + 768 + 2 x 3072).
  CHECK(gpt2.block_parameters == 84934656);
  CHECK(gpt2.parameters == 84934656 + 50257 * 768);
  CHECK(gpt2.kv_bytes_per_token == 36864);
  CHECK(gpt2.attention_flops_per_key == 4 * 768 * 12);

  const ModelCosts llama =
      model_costs(open_bench_shape(kShapes + "llama-3-8b").config, DType::kBF16);
  // 8,030,261,248 parameters without the embedding table of 128256 x 4096.
  CHECK(llama.weight_bytes == 15009849344);
  CHECK(llama.block_weight_bytes == 15009849344 - 2 * 525336576.0);
  CHECK(llama.parameters == 7504658432);
  CHECK(llama.kv_bytes_per_token == 131072);
  CHECK(llama.attention_flops_per_key == 4 * 32 * 128 * 32);
}

TEST_CASE("the costs of Qwen3 30B-A3B count the experts that tokens choose") {
  const ModelConfig config = open_bench_shape(kShapes + "qwen3-30b-a3b").config;
  const ModelCosts costs = model_costs(config, DType::kBF16);
  // 48 layers of 128 experts with 3 matrices of 2048 x 768, and all else but the embedding table.
  const double expert = 3.0 * 2048 * 768;
  const double others = 30532122624 - 48.0 * 128 * expert - 151936.0 * 2048;
  CHECK(costs.weight_bytes == 2 * others);
  CHECK(expert_bytes(costs, 0) == 0);
  CHECK(expert_bytes(costs, 1) == Approx(2.0 * 48 * 8 * expert));
  // Of 128 experts two tokens choose 8 + 8 * (1 - 8 / 128).
  CHECK(expert_bytes(costs, 2) == Approx(2.0 * 48 * 15.5 * expert));
  CHECK(expert_bytes(costs, 1e6) == Approx(2.0 * 48 * 128 * expert));
  // A token's products: attention, router, 8 experts, the head.
  const double attention = 2048.0 * (32 + 4 + 4 + 32) * 128;
  CHECK(costs.block_parameters == 48 * (attention + 2048.0 * 128 + 8 * expert));
  CHECK(costs.parameters == costs.block_parameters + 151936.0 * 2048);
  CHECK(active_parameter_count(config) == 3353032704);
}

TEST_CASE("a decode step's limit has the experts that its rows choose") {
  const ModelCosts costs{.weight_bytes = 1e9,
                         .experts = {{.weight_bytes = 1e9, .count = 4, .top_k = 1}}};
  const Ceilings ceilings{.read_bytes_per_second = 1e9, .flops_per_second = 1e12};
  const Work one_row{.decode_steps_by_rows = {0, 1}};
  const Work two_rows{.decode_steps_by_rows = {0, 0, 1}};
  CHECK(compute_limit(costs, one_row, ceilings).seconds() == Approx(2.0));
  CHECK(compute_limit(costs, two_rows, ceilings).seconds() == Approx(1 + 1.75));
  CHECK(explain_limit(costs, two_rows, ceilings).find("1.75 GB of experts at 2 rows") !=
        std::string::npos);
}

TEST_CASE("the built-in shapes of the paper's chart are the shipped ones") {
  for (const BenchModel& model : paper_shapes()) {
    CAPTURE(model.name);
    const ModelCosts built_in = model_costs(model.config, DType::kBF16);
    const ModelCosts shipped =
        model_costs(open_bench_shape(kShapes + model.name).config, DType::kBF16);
    CHECK(built_in.weight_bytes == shipped.weight_bytes);
    CHECK(built_in.parameters == shipped.parameters);
    CHECK(built_in.kv_bytes_per_token == shipped.kv_bytes_per_token);
  }
}

TEST_CASE("the limit of a schedule adds up its passes") {
  const ModelCosts costs =
      model_costs(open_bench_shape(kShapes + "llama-3-8b").config, DType::kBF16);
  const Ceilings ceilings{
      .read_bytes_per_second = 2e12, .copy_bytes_per_second = 3e12, .flops_per_second = 6e14};
  SUBCASE("decode steps of few rows read the weights") {
    Work work;
    work.decode_steps_by_rows = std::vector<int64_t>(33);
    work.decode_steps_by_rows[32] = 128;
    work.decode_context_tokens = 32 * 128 * 576;  // depth 512, 128 steps, on average about 576
    const Limit limit = compute_limit(costs, work, ceilings);
    CHECK(limit.prefill_seconds == 0);
    CHECK(limit.decode_seconds == Approx(128 * 15009849344 / 3e12));      // 0.6404 s
    CHECK(limit.kv_seconds == Approx(32 * 128 * 576 * 131072.0 / 3e12));  // 0.1031 s
    CHECK(limit.seconds() == Approx(0.7435).epsilon(0.001));
  }
  SUBCASE("decode steps of many rows multiply") {
    Work work;
    work.decode_steps_by_rows = std::vector<int64_t>(513);
    work.decode_steps_by_rows[1] = 3;
    work.decode_steps_by_rows[512] = 2;
    CHECK(compute_limit(costs, work, ceilings).decode_seconds ==
          Approx(3 * 15009849344 / 3e12 + 2 * 2 * 7504658432.0 * 512 / 6e14));
    CHECK(work.decode_steps() == 5);
    CHECK(work.most_rows() == 512);
  }
  SUBCASE("long prompts multiply and short ones read the weights") {
    // One prompt of 2048 tokens: 2048 x 2049 / 2 pairs of a query and a key.
    const Work longer{.prefill_passes = 1,
                      .prefill_tokens = 2048,
                      .prefill_context_tokens = 2098176,
                      .decode_steps_by_rows = {}};
    CHECK(compute_limit(costs, longer, ceilings).seconds() ==
          Approx((2 * 6979321856.0 * 2048 + 2098176 * 524288.0) / 6e14));
    const Work shorter{.prefill_passes = 1,
                       .prefill_tokens = 2,
                       .prefill_context_tokens = 3,
                       .decode_steps_by_rows = {}};
    CHECK(compute_limit(costs, shorter, ceilings).seconds() == Approx(13959176192 / 3e12));
    CHECK(explain_limit(costs, shorter, ceilings).find("prefill") != std::string::npos);
  }
}

TEST_CASE("the engine counts the work of each kind of test") {
  const BenchModel model = tiny_model();
  Engine engine(model.config, model.loader, tiny_engine(4));
  TestPlan plan;
  plan.prompts = {10};
  plan.generated = {6};
  plan.depths = {5};
  plan.pairs = {{7, 3}};
  plan.batches = {4};
  const std::vector<BenchTest> tests = plan_tests(plan);
  REQUIRE(tests.size() == 3);

  CHECK(tests[0].name == "pp10");
  CHECK(tests[0].counted_tokens() == 40);
  const Run prefill = measure(engine, model.config.vocab_size, tests[0], {}, {.timed = 1}).median();
  CHECK(prefill.work.prefill_tokens == 40);
  CHECK(prefill.work.prefill_context_tokens == 4 * 55);
  CHECK(prefill.work.decode_steps() == 0);
  CHECK(counted_seconds(tests[0].kind, prefill) == prefill.wall_seconds);

  CHECK(tests[1].name == "tg6 @ d5");
  CHECK(tests[1].counted_tokens() == 24);
  CHECK(tests[1].max_positions() == 11);
  const Run decode = measure(engine, model.config.vocab_size, tests[1], {}, {.timed = 2}).median();
  CHECK(decode.work.decode_steps_by_rows[4] == 6);
  CHECK(decode.work.decode_steps() == 6);
  CHECK(decode.work.decode_context_tokens == 4 * (6 + 7 + 8 + 9 + 10 + 11));
  CHECK(counted_seconds(tests[1].kind, decode) == decode.decode_seconds);
  CHECK(counted_work(tests[1].kind, decode).prefill_tokens == 0);
  CHECK(decode.decode_seconds < decode.wall_seconds);
  CHECK(decode.decode_idle_seconds == 0);  // on the CPU the host is the device

  CHECK(tests[2].name == "pp7+tg3");
  CHECK(tests[2].counted_tokens() == 12);
  const Run whole = measure(engine, model.config.vocab_size, tests[2], {}, {.timed = 1}).median();
  CHECK(whole.work.prefill_tokens == 28);
  CHECK(whole.work.decode_steps() == 2);
}

TEST_CASE("tokens that prompts share count once in what a run computes and each step reads") {
  const BenchModel model = tiny_model();
  EngineOptions options = tiny_engine(4);
  options.max_model_len = 200;
  Engine engine(model.config, model.loader, options);
  TestPlan plan;
  plan.pairs = {{140, 3}};
  plan.batches = {4};
  const BenchTest test = plan_tests(plan)[0];
  const Run run = measure(engine, model.config.vocab_size, test,
                          {.shared_prefix = 128, .params = {}}, {.timed = 1})
                      .median();
  CHECK(run.work.prefill_tokens == 128 + 4 * 12);
  CHECK(run.work.decode_context_tokens == 2 * 128 + 4 * (13 + 14));
}

TEST_CASE("a job of recorded lengths runs every request to its length") {
  const BenchModel model = tiny_model();
  Engine engine(model.config, model.loader, tiny_engine(2));
  BenchTest test;
  test.requests = {{3, 9}, {20, 1}, {1, 4}, {50, 30}, {8, 2}};
  CHECK(test.counted_tokens() == 46);
  CHECK(test.max_positions() == 79);
  const Run run = measure(engine, model.config.vocab_size, test, {}, {.timed = 1}).median();
  CHECK(run.work.prefill_tokens == 82);
  int64_t row_steps = 0;
  for (size_t rows = 0; rows < run.work.decode_steps_by_rows.size(); ++rows) {
    row_steps += static_cast<int64_t>(rows) * run.work.decode_steps_by_rows[rows];
  }
  CHECK(row_steps == 46 - 5);  // the first token of each comes from its prompt pass
}

TEST_CASE("step counts bound what a policy gains over feeding prompts token by token") {
  CHECK(step_count_bound(PromptPolicy::kPacked, {512, 512}, 1024) == Approx(2.0));
  CHECK(step_count_bound(PromptPolicy::kPadded, {960}, 1024) == Approx(16.0));
  CHECK(step_count_bound(PromptPolicy::kMinLength, {512, 768}, 1024) == Approx(2.0));
  CHECK(step_count_bound(PromptPolicy::kPacked, {512, 768}, 1024) == Approx(4.0));
  CHECK(step_count_bound(PromptPolicy::kSerial, {512}, 1024) == Approx(1.0));
  CHECK(paper_speedup(1) == 1.55);
  CHECK(paper_speedup(512) == 2.58);
  CHECK(paper_speedup(960) == 15.25);
  CHECK(paper_speedup(100) == 0);
}

TEST_CASE("results are written in every format") {
  const auto written = [](ResultFormat format) {
    std::ostringstream out;
    ResultWriter writer(out, format);
    for (int i = 1; i <= 2; ++i) {
      ResultRow row;
      row.cells = {{"model", "a"}, {"t/s", std::to_string(i) + " ± 0"}};
      row.record = {{"model", "a, \"b\""}, {"ts", i}, {"none", nullptr}, {"samples", {1, 2}}};
      writer.add(row);
    }
    writer.finish();
    return out.str();
  };
  CHECK(written(ResultFormat::kMarkdown) ==
        "|    model |      t/s |\n| -------- | --------:|\n"
        "|        a |    1 ± 0 |\n|        a |    2 ± 0 |\n");
  CHECK(written(ResultFormat::kCsv) == "model,ts,none\n\"a, \"\"b\"\"\",1,\n\"a, \"\"b\"\"\",2,\n");
  const json list = json::parse(written(ResultFormat::kJson));
  REQUIRE(list.size() == 2);
  CHECK(list[1]["ts"] == 2);
  const std::string lines = written(ResultFormat::kJsonl);
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
  CHECK(json::parse(lines.substr(0, lines.find('\n')))["samples"] == json({1, 2}));
}

TEST_CASE("eet bench reports tests of a model and of a shape") {
  const std::string model = EET_SOURCE_DIR "/samples/models/tales-llama";
  const json rows =
      json::parse(run_bench({"-m", model,  "--config",      model, "-p", "8", "-n", "4",
                             "-d", "0,16", "--pg",          "8+4", "-b", "2", "-r", "2",
                             "-o", "json", "--temperature", "0.8"}));
  REQUIRE(rows.size() == 8);
  const std::vector<std::string> names = {"pp8", "tg4", "tg4 @ d16", "pp8+tg4"};
  for (size_t i = 0; i < rows.size(); ++i) {
    const json& row = rows[i];
    CAPTURE(row.dump());
    CHECK(row["test"] == names[i % names.size()]);
    CHECK(row["model_type"] == "tales-llama");
    CHECK(row["model_n_params"] == 3475712);
    CHECK(row["model_size"] == 4 * 3475712);
    CHECK(row["backend"] == "CPU");
    CHECK(row["n_batch"] == 2);
    CHECK(row["median_ts"] > 0);
    CHECK(row["samples_ts"].size() == 2);
    CHECK(row["samples_seconds"].size() == 2);
    CHECK(row["test_time"].get<std::string>().size() == std::string("2026-01-31T12:00:00Z").size());
    CHECK_FALSE(row["build_commit"].get<std::string>().empty());
    CHECK(row["limit_holds"].is_boolean());
    CHECK(row["ms_per_step"] > 0);
    CHECK(row["limit_seconds"] > 0);
    CHECK(row["percent_of_limit"] > 0);
  }
}

TEST_CASE("eet bench replays recorded lengths under both schedules") {
  const TempDirectory dir;
  const std::string trace = dir.write("trace.csv", "context,generated\n4,9\n30,2\n5,6\n9999,3\n");
  for (const std::string schedule : {"static", "refill"}) {
    const json rows = json::parse(run_bench(
        {"-m", kModel, "--random-weights", "--lengths", trace, "--max-context", "40",
         "--max-requests", "4", "-b", "2", "-r", "1", "-o", "json", "--schedule", schedule}));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0]["n_requests"] == 4);
    CHECK(rows[0]["counted_tokens"] == 20);
    CHECK(rows[0]["prompt_tokens"] == 79);
    CHECK(rows[0]["max_num_seqs"] == 2);
    CHECK(rows[0]["schedule"] == schedule);
  }
}

TEST_CASE("whole requests may be more than the rows that run together") {
  const json rows = json::parse(run_bench({"-m", kModel, "--random-weights", "--pg", "5+4", "-b",
                                           "9", "--max-num-seqs", "2", "-r", "1", "-o", "json"}));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["n_requests"] == 9);
  CHECK(rows[0]["n_batch"] == 9);
  CHECK(rows[0]["max_num_seqs"] == 2);
  CHECK(rows[0]["max_rows_per_step"] == 2);
  CHECK(rows[0]["counted_tokens"] == 36);
}

TEST_CASE("a limit is marked where weights come from a cache and bytes are what limits") {
  const ModelCosts costs{
      .weight_bytes = 2e6, .block_weight_bytes = 1e6, .parameters = 1e6, .block_parameters = 1e6};
  Ceilings ceilings{.read_bytes_per_second = 1e9, .flops_per_second = 1e12};
  const Work decode{.decode_steps_by_rows = {0, 5}};
  const Work short_prefill{.prefill_passes = 1, .prefill_tokens = 1, .decode_steps_by_rows = {}};
  const Work long_prefill{
      .prefill_passes = 1, .prefill_tokens = 100'000, .decode_steps_by_rows = {}};
  CHECK_FALSE(caches_invalidate(costs, decode, ceilings));  // no cache is known
  ceilings.cache_bytes = 999'999;
  CHECK_FALSE(caches_invalidate(costs, decode, ceilings));
  ceilings.cache_bytes = 1'000'000;
  CHECK(caches_invalidate(costs, decode, ceilings));
  CHECK(caches_invalidate(costs, short_prefill, ceilings));
  CHECK_FALSE(caches_invalidate(costs, long_prefill, ceilings));  // operations limit it
}

TEST_CASE("the rows of recorded lengths are the engine's where no other test is chosen") {
  const TempDirectory dir;
  const std::string trace = dir.write("trace.csv", "4,3\n3,2\n5,4\n");
  const json rows = json::parse(run_bench({"-m", kModel, "--random-weights", "--lengths", trace,
                                           "-p", "0", "-n", "0", "-r", "1", "-o", "json"}));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["max_num_seqs"] > 1);
}

TEST_CASE("eet bench sweeps contexts under the four prompt policies") {
  const std::string csv = run_bench({"--config", kModel, "--sweep-context", "--total-length", "32",
                                     "--contexts", "1,24", "-b", "2", "-r", "1", "-o", "csv"});
  CHECK(csv.starts_with("model,context,total,n_batch,pad_fraction,packed_seconds,packed_speedup,"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 3);
  CHECK(csv.find("tales-gpt2,24,32,2,") != std::string::npos);
}

TEST_CASE("flags of eet bench that make no sense are usage errors") {
  const std::string model = EET_SOURCE_DIR "/tests/golden/models/tales-gpt2";
  CHECK_THROWS_AS(run_bench({}), CLI::ValidationError);
  CHECK_THROWS_AS(run_bench({"-m", model, "-p", "many"}), CLI::ValidationError);
  CHECK_THROWS_AS(run_bench({"-m", model, "-b", "0"}), CLI::ValidationError);
  CHECK_THROWS_AS(run_bench({"-m", model, "-p", "0", "-n", "0"}), CLI::ValidationError);
  CHECK_THROWS_AS(run_bench({"-m", model, "-o", "xml"}), CLI::ValidationError);
  CHECK_THROWS_AS(run_bench({"-m", model, "-n", "4", "--prompt-policy", "serial"}),
                  CLI::ValidationError);
  CHECK_THROWS_WITH_AS(run_bench({"-m", model, "-p", "100000", "-n", "0"}),
                       doctest::Contains("positions"), Error);
  CHECK_THROWS_WITH_AS(
      run_bench({"-m", model, "-p", "4", "-b", "4", "--max-num-seqs", "2", "-r", "1"}),
      doctest::Contains("--max-num-seqs"), Error);
}

}  // namespace
}  // namespace eet
