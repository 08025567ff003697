// A job whose input is one tenth bad rows: each costs itself and nothing else.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/app/run_eet.h"

namespace eet {
namespace {

using nlohmann::json;

struct BadRow {
  std::string line;
  std::string code;
};

// Twenty kinds and a few more, in all the forms that rows have. `id` is text.
std::vector<BadRow> bad_rows(const std::string& id) {
  const auto plain = [&](const std::string& fields) {
    return "{\"id\":\"" + id + "\",\"tag\":1," + fields + "}";
  };
  const auto openai = [&](const std::string& fields) {
    return "{\"custom_id\":\"" + id + "\",\"tag\":1," + fields + "}";
  };
  const std::string body = R"("body":{"prompt":"a"})";
  const std::string url = R"("url":"/v1/completions")";
  return {
      {"Once upon a time", "invalid_json"},
      {plain(R"("prompt":"cut off)"), "invalid_json"},
      {plain("\"prompt\":\"\xFF\xFE\""), "invalid_json"},
      {std::string(100'000, '['), "invalid_json"},
      {plain("\"prompt\":\"a\",\"x\":" + std::string(100, '[') + std::string(100, ']')),
       "invalid_json"},
      {plain(R"("prompt":"a","prompt":"b")"), "duplicate_key"},
      {R"({"id":{},"prompt":"a"})", "invalid_id"},
      {R"({"tag":1})", "missing_prompt"},
      {plain(R"("prompt":5)"), "invalid_prompt"},
      {plain(R"("prompt_token_ids":[1,"2"])"), "invalid_prompt"},
      {plain(R"("prompt_token_ids":[])"), "empty_prompt"},
      {plain(R"("prompt_token_ids":[5,999999])"), "token_out_of_range"},
      {plain("\"prompt_token_ids\":" + json(std::vector<int>(5000, 5)).dump()), "prompt_too_long"},
      {plain("\"prompt\":\"" + std::string(1'000'000, 'x') + "\""), "prompt_too_long"},
      {plain(R"("prompt":"a","max_tokens":0)"), "invalid_parameter"},
      {plain(R"("prompt":"a","temperature":"hot")"), "invalid_parameter"},
      {plain(R"("prompt":"a","max_tokens":1,"max_new_tokens":1)"), "invalid_parameter"},
      {plain(R"("prompt":"a","stop":[""])"), "invalid_parameter"},
      {plain(R"("prompt":"a","logit_bias":{"1":5})"), "unsupported_parameter"},
      {plain(R"("messages":[{"role":"user"}])"), "invalid_messages"},
      {plain(R"("messages":[{"role":"user","content":[{"type":"image_url"}]}])"),
       "unsupported_messages"},
      {plain(R"("messages":[{"role":"user","content":"a"}])"), "no_chat_template"},
      {openai(R"("method":"GET",)" + url + "," + body), "invalid_method"},
      {openai(R"("method":"POST","url":"/v1/embeddings",)" + body), "invalid_url"},
      {openai(R"("method":"POST",)" + url + R"(,"body":[])"), "invalid_body"},
      {openai(R"("method":"POST",)" + url + R"(,"body":{"prompt":"a","tools":[1]})"),
       "unsupported_parameter"},
  };
}

// A good row, in one of the forms, greedy or with a seed of its own: what it gives must not depend
// on its place.
std::string good_row(int index) {
  const std::string prompt = "The " + std::string(static_cast<size_t>(index % 7), 'a') + " king";
  json params = {{"max_tokens", 2 + index % 3}, {"temperature", 0}};
  if (index % 5 == 0) params = {{"max_tokens", 4}, {"seed", index}};
  json row = params;
  const std::string id = "good-" + std::to_string(index);
  switch (index % 3) {
    case 0:
      params["prompt"] = prompt;
      row = {{"custom_id", id}, {"method", "POST"}, {"url", "/v1/completions"}, {"body", params}};
      break;
    case 1:
      row = {{"task_id", id}, {"prompt", prompt}, {"output_tokens", 3}, {"temperature", 0}};
      break;
    default:
      row["id"] = id;
      row["prompt"] = prompt;
  }
  row["tag"] = index;
  return row.dump();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The lines of a job's output.
std::vector<std::string> run_job(const std::vector<std::string>& input, int exit_code,
                                 const std::vector<std::string>& flags = {}) {
  const TempDirectory dir;
  std::string text;
  for (const std::string& line : input) text += line + "\n";
  std::vector<std::string> args = {"generate",
                                   "-m",
                                   sample_model("tales-llama"),
                                   "-i",
                                   dir.write("in.jsonl", text),
                                   "-o",
                                   "-",
                                   "-q",
                                   "--device",
                                   "cpu"};
  args.insert(args.end(), flags.begin(), flags.end());
  const EetResult result = run_eet(args);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == exit_code);
  return lines_of(result.out);
}

std::vector<std::string> keys(const json& row) {
  std::vector<std::string> names;
  for (const auto& [key, value] : row.items()) names.push_back(key);
  return names;
}

TEST_CASE("one bad row in ten, of every kind, costs no other row a byte") {
  std::vector<std::string> input;
  std::vector<std::string> good_input;
  std::vector<std::string> codes;  // of each line, empty for a good one
  int good = 0;
  const auto add_good = [&](int count) {
    for (int i = 0; i < count; ++i) {
      good_input.push_back(good_row(good++));
      input.push_back(good_input.back());
      codes.emplace_back();
    }
  };
  const size_t num_kinds = bad_rows("x").size();
  for (size_t i = 0; i < num_kinds; ++i) {
    add_good(static_cast<int>(i % 10));
    BadRow bad = bad_rows("bad-" + std::to_string(i))[i];
    input.push_back(std::move(bad.line));
    codes.push_back(std::move(bad.code));
    add_good(static_cast<int>(9 - i % 10));
  }

  const std::vector<std::string> rows = run_job(input, 3);
  const std::vector<std::string> alone = run_job(good_input, 0);
  REQUIRE(rows.size() == input.size());
  REQUIRE(alone.size() == good_input.size());
  const std::vector<std::string> schema = {"error", "finish_reason", "id", "text", "usage"};
  size_t next_good = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(input[i].substr(0, 200));
    if (codes[i].empty()) {
      CHECK(rows[i] == alone[next_good++]);
      continue;
    }
    json row = json::parse(rows[i]);
    row.erase("tag");
    CHECK(keys(row) == schema);
    CHECK(row["finish_reason"] == "error");
    CHECK(row["error"]["code"] == codes[i]);
    const std::string message = row["error"]["message"];
    CHECK(message.starts_with("line " + std::to_string(i + 1) + ": "));
    CHECK(message.size() < 400);
  }
}

TEST_CASE("--on-error fail ends the job at a bad row and names its line") {
  for (const size_t kind : {size_t{0}, size_t{10}, size_t{11}}) {  // found in three places
    const TempDirectory dir;
    const std::string bad = bad_rows("x")[kind].line;
    const std::string input = good_row(2) + "\n" + good_row(5) + "\n" + bad + "\n" + good_row(8);
    const EetResult result =
        run_eet({"generate", "-m", sample_model("tales-llama"), "-i", dir.write("in.jsonl", input),
                 "-o", "-", "-q", "--device", "cpu", "--on-error", "fail"});
    CAPTURE(result.err);
    CHECK(result.exit_code == 1);
    CHECK(result.err.find("line 3: ") != std::string::npos);
  }
  run_job({good_row(2), good_row(5)}, 0, {"--on-error", "fail"});
}

TEST_CASE("in OpenAI's output format too there is a line for each row, good or bad") {
  std::vector<std::string> input = {good_row(0), good_row(1)};
  for (const BadRow& bad : bad_rows("b")) input.push_back(bad.line);
  const std::vector<std::string> rows = run_job(input, 3, {"--output-format", "openai"});
  REQUIRE(rows.size() == input.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    json row = json::parse(rows[i]);
    row.erase("tag");
    CHECK(keys(row) == std::vector<std::string>{"custom_id", "error", "id", "response"});
    CHECK(row["response"].is_null() == (i >= 2));
    CHECK(row["error"].is_null() == (i < 2));
  }
  CHECK(json::parse(rows[0])["custom_id"] == "good-0");
}

TEST_CASE("the same prompts give the same rows in every input format") {
  const std::vector<std::string> jsonl =
      run_job({R"({"id":"1","prompt":"Once upon"})", R"({"id":"2","prompt":"A \"fox\", and"})"}, 0,
              {"--temperature", "0", "--max-tokens", "4"});
  const TempDirectory dir;
  const auto run = [&](const char* name, const char* text, std::vector<std::string> flags) {
    flags.insert(flags.begin(),
                 {"generate", "-m", sample_model("tales-llama"), "-i", dir.write(name, text), "-o",
                  "-", "-q", "--device", "cpu", "--temperature", "0", "--max-tokens", "4"});
    const EetResult result = run_eet(flags);
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    return lines_of(result.out);
  };
  CHECK(run("in.csv", "id,prompt\n1,Once upon\n2,\"A \"\"fox\"\", and\"\n", {}) == jsonl);
  CHECK(run("in", "id\tq\r\n1\tOnce upon\r\n2\tA \"fox\", and\r\n",
            {"--input-format", "tsv", "--prompt-column", "q"}) == jsonl);
  CHECK(run("in.csv", "id,who\n1,Once upon\n2,\"A \"\"fox\"\", and\"\n",
            {"--prompt-template", "{who}"})[1]
            .starts_with(jsonl[1].substr(0, jsonl[1].size() - 1)));
  const std::vector<std::string> text = run("in.txt", "Once upon\nA \"fox\", and\n", {});
  REQUIRE(text.size() == 2);
  CHECK(json::parse(text[1])["text"] == json::parse(jsonl[1])["text"]);
}

TEST_CASE("--on-long truncates and says so, and the default is an error row") {
  const std::string row = json{{"prompt_token_ids", std::vector<int>(5000, 5)}}.dump();
  CHECK(json::parse(run_job({row}, 3)[0])["error"]["code"] == "prompt_too_long");
  for (const char* side : {"truncate-left", "truncate-right"}) {
    const json cut = json::parse(run_job({row}, 0, {"--on-long", side, "--max-tokens", "4"})[0]);
    CHECK(cut["truncated"] == true);
    CHECK(cut["error"].is_null());
  }
}

}  // namespace
}  // namespace eet
