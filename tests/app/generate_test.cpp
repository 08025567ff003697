// What `eet generate` computes: goldens, independence of the batch, parameters.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;
using Rows = std::vector<json>;

// Runs a job on the CPU that must end with `exit_code`, and gives its rows.
Rows generate(const std::string& model, const Rows& prompts, std::vector<std::string> flags,
              int exit_code = 0) {
  const TempDirectory dir;
  const std::string input = dir.write("in.jsonl", join_lines(prompts));
  std::vector<std::string> args = {
      "generate",          "-m", model, "-i", input, "-o", "-", "--quiet", "--device", "cpu",
      "--output-token-ids"};
  args.insert(args.end(), flags.begin(), flags.end());
  const EetResult result = run_eet(args);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == exit_code);
  return parse_lines(result.out);
}

Rows golden_rows(const std::string& model) {
  return parse_lines(read_text(sample_model(model) + "/golden.jsonl"));
}

// The text that the golden's ids add to its prompt's, by the reference.
std::string continuation(const std::string& model, const json& golden) {
  static const json kAll =
      json::parse(read_text(EET_SOURCE_DIR "/tests/app/continuation_goldens.json"));
  for (const json& each : kAll) {
    if (each["model"] == model && each["prompt_token_ids"] == golden["prompt_token_ids"]) {
      return each["text"];
    }
  }
  throw std::runtime_error("no such golden: run make_continuation_goldens.py");
}

// Prompts of very different lengths, all of the goldens' texts and a few cut short.
Rows mixed_prompts() {
  Rows rows;
  for (const json& golden : golden_rows("tales-llama")) {
    const std::string prompt = golden["prompt"];
    rows.push_back({{"id", rows.size()}, {"prompt", prompt}});
    rows.push_back({{"id", rows.size()}, {"prompt", prompt.substr(0, 4)}, {"max_tokens", 5}});
  }
  return rows;
}

void check_goldens(const std::string& model, const char* prompt_field) {
  const Rows goldens = golden_rows(model);
  Rows prompts;
  for (const json& golden : goldens) prompts.push_back({{prompt_field, golden[prompt_field]}});
  const Rows rows = generate(sample_model(model), prompts,
                             {"--temperature", "0", "--max-tokens", "48", "--logprobs"});
  REQUIRE(rows.size() == goldens.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const json& golden = goldens[i];
    const json& row = rows[i];
    CAPTURE(i);
    CHECK(row["token_ids"] == golden["greedy_token_ids"]);
    CHECK(row["text"] == continuation(model, golden));
    CHECK(row["usage"]["prompt_tokens"] == golden["prompt_token_ids"].size());
    CHECK(row["usage"]["completion_tokens"] == golden["greedy_token_ids"].size());
    CHECK(row["finish_reason"] == (golden["greedy_token_ids"].size() < 48 ? "stop" : "length"));
    REQUIRE(row["logprobs"].size() == golden["greedy_logprobs"].size());
    for (size_t t = 0; t < row["logprobs"].size(); ++t) {
      const double expected = golden["greedy_logprobs"][t];
      CHECK(std::abs(row["logprobs"][t].get<double>() - expected) < 1e-3);
    }
  }
}

TEST_CASE("greedy completions of tales-llama are the reference's, ids, text and logprobs") {
  check_goldens("tales-llama", "prompt");
}

TEST_CASE("greedy completions of tales-gpt2 are the reference's, ids, text and logprobs") {
  check_goldens("tales-gpt2", "prompt");
}

TEST_CASE("prompts given as token ids complete as their text does") {
  check_goldens("tales-gpt2", "prompt_token_ids");
}

TEST_CASE("sampled rows do not depend on batch size, sort window, policy or thread count") {
  const std::string model = sample_model("tales-llama");
  const Rows prompts = mixed_prompts();
  const auto with = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--max-tokens", "20", "--seed", "5", "--top-p", "0.95"});
    return generate(model, prompts, flags);
  };
  const Rows alone = with({"--max-num-seqs", "1"});
  REQUIRE(alone.size() == prompts.size());
  CHECK(with({"--max-num-seqs", "7"}) == alone);
  CHECK(with({"--max-num-seqs", "64"}) == alone);
  CHECK(with({"--max-num-seqs", "7", "--sort-window", "7"}) == alone);
  CHECK(with({"--max-num-seqs", "7", "--threads", "1"}) == alone);
  CHECK(with({"--max-num-seqs", "7", "--max-num-batched-tokens", "64"}) == alone);
  for (const std::string policy : {"packed", "padded", "min-length", "serial"}) {
    CAPTURE(policy);
    CHECK(with({"--max-num-seqs", "8", "--prompt-policy", policy}) == alone);
  }
}

TEST_CASE("the seed of the job decides the samples, and rows of one prompt differ") {
  const std::string model = sample_model("tales-llama");
  const Rows same_prompt(6, json{{"prompt", "Once upon a time"}});
  const auto texts = [&](const std::string& seed) {
    std::set<std::string> found;
    for (const json& row : generate(model, same_prompt, {"--max-tokens", "20", "--seed", seed})) {
      found.insert(row["text"].get<std::string>());
    }
    return found;
  };
  const auto first = texts("1");
  CHECK(first.size() == 6);
  CHECK(texts("1") == first);
  CHECK(texts("2") != first);
}

TEST_CASE("a row with a seed samples the same tokens wherever it stands") {
  const std::string model = sample_model("tales-llama");
  const json seeded = {{"prompt", "The king"}, {"seed", 77}, {"max_tokens", 20}};
  const json other = {{"prompt", "A fox"}, {"max_tokens", 3}};
  const Rows alone = generate(model, {seeded}, {});
  const Rows among = generate(model, {other, other, seeded, other, seeded}, {"--seed", "9"});
  CHECK(among[2]["token_ids"] == alone[0]["token_ids"]);
  CHECK(among[4]["token_ids"] == alone[0]["token_ids"]);
}

TEST_CASE("a stop string cuts the golden's text wherever it is, for the row and as a default") {
  const json golden = golden_rows("tales-llama")[0];
  const std::string text = continuation("tales-llama", golden);
  for (const size_t begin : {size_t{0}, size_t{7}, text.size() / 2, text.size() - 3}) {
    const std::string stop = text.substr(begin, 3);
    CAPTURE(stop);
    const json prompt = {{"prompt", golden["prompt"]}};
    json own_stop = prompt;
    own_stop["stop"] = stop;
    const std::vector<std::string> greedy = {"--temperature", "0", "--max-tokens", "48"};
    std::vector<std::string> with_stop = greedy;
    with_stop.insert(with_stop.end(), {"--stop", "never seen", "--stop", stop});
    for (const json& row : {generate(sample_model("tales-llama"), {own_stop}, greedy)[0],
                            generate(sample_model("tales-llama"), {prompt}, with_stop)[0]}) {
      CHECK(row["text"] == text.substr(0, text.find(stop)));
      CHECK(row["finish_reason"] == "stop");
      CHECK(row["error"].is_null());
    }
  }
}

TEST_CASE("stop tokens, min_tokens and ignore_eos do what their names say") {
  const std::string model = sample_model("tales-gpt2");
  json golden;  // one that ends with EOS
  for (const json& row : golden_rows("tales-gpt2")) {
    if (row["greedy_token_ids"].back() == 0) golden = row;
  }
  REQUIRE(golden.is_object());
  const size_t length = golden["greedy_token_ids"].size();
  const json third = golden["greedy_token_ids"][2];
  const std::string prompt = golden["prompt"];
  // A stop string that is a special token, which has no text, ends a row as the token does.
  const json special = {{"prompt", prompt}, {"ignore_eos", true}, {"stop", "<|endoftext|>"}};
  const json stopped = generate(model, {special}, {"--temperature", "0", "--max-tokens", "48"})[0];
  CHECK(stopped["token_ids"] == golden["greedy_token_ids"]);
  CHECK(stopped["text"] == continuation("tales-gpt2", golden));
  CHECK(stopped["finish_reason"] == "stop");

  const Rows rows = generate(model,
                             {{{"prompt", prompt}, {"stop_token_ids", {third}}},
                              {{"prompt", prompt}, {"ignore_eos", true}},
                              {{"prompt", prompt}, {"min_tokens", length + 3}},
                              {{"prompt", prompt}, {"max_new_tokens", 4}}},
                             {"--temperature", "0", "--max-tokens", "48"});
  CHECK(rows[0]["finish_reason"] == "stop");
  CHECK(rows[0]["token_ids"].back() == third);
  CHECK(rows[0]["token_ids"].size() <= 3);
  CHECK(rows[1]["token_ids"].size() == 48);
  CHECK(rows[1]["finish_reason"] == "length");
  CHECK(rows[2]["token_ids"].size() >= length + 3);
  CHECK(rows[3]["token_ids"].size() == 4);
}

TEST_CASE("echo puts the prompt in front of the text") {
  const json golden = golden_rows("tales-llama")[0];
  const Rows rows = generate(sample_model("tales-llama"), {{{"prompt", golden["prompt"]}}},
                             {"--temperature", "0", "--max-tokens", "48", "--echo"});
  CHECK(rows[0]["text"] ==
        golden["prompt"].get<std::string>() + continuation("tales-llama", golden));
  CHECK(rows[0]["token_ids"] == golden["greedy_token_ids"]);
}

TEST_CASE("a prompt ends with length where the model's positions end") {
  const std::vector<int32_t> ids(30, 5);
  const Rows rows =
      generate(sample_model("tales-gpt2"), {{{"prompt_token_ids", ids}, {"ignore_eos", true}}},
               {"--max-model-len", "32", "--max-tokens", "100"});
  CHECK(rows[0]["finish_reason"] == "length");
  CHECK(rows[0]["token_ids"].size() < 5);
}

TEST_CASE("a model without tokenizer files serves token ids, and text with a tokenizer named") {
  const TempDirectory dir;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(sample_model("tales-gpt2") + "/" + name, dir.file(name));
  }
  const json golden = golden_rows("tales-gpt2")[1];
  const Rows rows = generate(
      dir.file(""), {{{"prompt", "text"}}, {{"prompt_token_ids", golden["prompt_token_ids"]}}},
      {"--temperature", "0", "--max-tokens", "48"}, 3);
  CHECK(rows[0]["error"]["code"] == "no_tokenizer");
  CHECK(rows[1]["token_ids"] == golden["greedy_token_ids"]);
  CHECK(rows[1]["text"] == "");

  const Rows with_tokenizer = generate(dir.file(""), {{{"prompt", golden["prompt"]}}},
                                       {"--temperature", "0", "--max-tokens", "48", "--tokenizer",
                                        sample_model("tales-gpt2") + "/tokenizer.json"});
  CHECK(with_tokenizer[0]["text"] == golden["text"]);
}

}  // namespace
}  // namespace eet
