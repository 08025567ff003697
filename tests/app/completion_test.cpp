#include "app/job/output/completion.h"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "app/job/output/completion_writer.h"
#include "tests/app/byte_tokenizer.h"
#include "tests/app/sample_model.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

InputRow row_of(std::string_view text, uint64_t line = 1) {
  InputRow row = parse_row(text, line, {});
  row.row = line - 1;
  return row;
}

TokenOutput token(int32_t id, FinishReason finish = FinishReason::kNone, float logprob = -1.0F) {
  TokenOutput output;
  output.token_id = id;
  output.logprob = logprob;
  output.finish = finish;
  return output;
}

// Generates `text` byte by byte, ending with `finish` at its last byte, as far as the row goes.
Completion generate(InputRow row, std::string_view text, FinishReason finish, bool echo = false) {
  const ByteTokenizer tokenizer(/*adds_bos=*/true);
  row.echo = echo;
  CompletionBuilder builder(std::move(row), &tokenizer);
  for (size_t i = 0; i < text.size(); ++i) {
    const bool last = i + 1 == text.size();
    if (!builder.push(token(static_cast<uint8_t>(text[i]), last ? finish : FinishReason::kNone))) {
      break;
    }
  }
  return builder.take();
}

TEST_CASE("the text of a row that ran to its length is the decode of its tokens") {
  const Completion done =
      generate(row_of(R"({"prompt_token_ids": [1, 2]})"), "gr\xC3\xBC", FinishReason::kLength);
  CHECK(done.text == "gr\xC3\xBC");
  CHECK(done.finish == FinishReason::kLength);
  CHECK(done.token_ids.size() == 4);
  CHECK(done.logprobs.size() == 4);
  CHECK(done.prompt_tokens == 2);
}

TEST_CASE("a character that the length cuts comes out as U+FFFD") {
  CHECK(generate(row_of(R"({"prompt_token_ids": [1]})"), "x\xC3", FinishReason::kLength).text ==
        "x\xEF\xBF\xBD");
}

TEST_CASE("a stop token ends the row, counts, and has no text") {
  const Completion done =
      generate(row_of(R"({"prompt_token_ids": [1]})"), "ab.", FinishReason::kStop);
  CHECK(done.text == "ab");
  CHECK(done.finish == FinishReason::kStop);
  CHECK(done.token_ids == std::vector<int32_t>{'a', 'b', '.'});
}

TEST_CASE("a stop string ends the row as stop, before itself, with the tokens that formed it") {
  const Completion done = generate(row_of(R"({"prompt_token_ids": [1], "stop": "END"})"), "abENDcd",
                                   FinishReason::kLength);
  CHECK(done.text == "ab");
  CHECK(done.finish == FinishReason::kStop);
  CHECK(done.token_ids.size() == 5);
}

TEST_CASE("a stop string that the last token completes makes the reason stop, not length") {
  const Completion done = generate(row_of(R"({"prompt_token_ids": [1], "stop": "END"})"), "abEND",
                                   FinishReason::kLength);
  CHECK(done.text == "ab");
  CHECK(done.finish == FinishReason::kStop);
}

TEST_CASE("text held back for a stop string comes out when the row ends without it") {
  CHECK(
      generate(row_of(R"({"prompt_token_ids": [1], "stop": "END"})"), "abEN", FinishReason::kLength)
          .text == "abEN");
}

TEST_CASE("stop strings are not looked for in the first min_tokens tokens") {
  const Completion done =
      generate(row_of(R"({"prompt_token_ids": [1], "stop": "x", "min_tokens": 2})"), "axbxc",
               FinishReason::kLength);
  CHECK(done.text == "axb");
}

TEST_CASE("echo puts the prompt in front, and its text never stops the row") {
  const Completion done = generate(row_of(R"({"prompt_token_ids": [256, 120, 121], "stop": "x"})"),
                                   "abx", FinishReason::kLength, /*echo=*/true);
  CHECK(done.text == "xyab");
  CHECK(done.token_ids.size() == 3);
}

TEST_CASE("the text of a row is what its tokens add to the decode of the prompt") {
  std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers;
  const std::string folder = EET_SOURCE_DIR "/tests/app/continuation_goldens.json";
  for (const nlohmann::json& golden : nlohmann::json::parse(read_text(folder))) {
    CAPTURE(golden.dump());
    const std::string model = golden["model"];
    std::unique_ptr<Tokenizer>& tokenizer = tokenizers[model];
    if (!tokenizer) tokenizer = load_tokenizer(sample_model(model));
    InputRow row = row_of(R"({"prompt": ""})");
    row.prompt_ids = golden["prompt_token_ids"].get<std::vector<int32_t>>();
    row.params.n = 2;
    CompletionBuilder builder(row, tokenizer.get());
    const auto ids = golden["new_token_ids"].get<std::vector<int32_t>>();
    for (TokenOutput output; output.sample < 2; ++output.sample) {
      for (size_t i = 0; i < ids.size(); ++i) {
        output.token_id = ids[i];
        output.finish = i + 1 == ids.size() ? FinishReason::kLength : FinishReason::kNone;
        builder.push(output);
      }
    }
    const Completion done = builder.take();
    CHECK(done.text == golden["text"]);
    CHECK(done.other_choices[0].text == golden["text"]);
  }
}

TEST_CASE("a character that the prompt begins and the completion ends is the completion's") {
  CHECK(generate(row_of(R"({"prompt_token_ids": [120, 195]})"), "\xBCx", FinishReason::kLength)
            .text == "\xC3\xBCx");
}

TEST_CASE("without a tokenizer there are tokens and no text") {
  CompletionBuilder builder(row_of(R"({"prompt_token_ids": [1]})"), nullptr);
  CHECK(builder.push(token(5)));
  CHECK_FALSE(builder.push(token(6, FinishReason::kLength)));
  const Completion done = builder.take();
  CHECK(done.text.empty());
  CHECK(done.token_ids == std::vector<int32_t>{5, 6});
}

TEST_CASE("a row that fails while it runs has its reason and nothing else") {
  CompletionBuilder builder(row_of(R"({"id": "x", "prompt_token_ids": [1, 2]})", 9), nullptr);
  builder.push(token(5));
  CHECK_FALSE(builder.push(failed_output(0, 0, {"not_finite", "a logit is NaN"})));
  const Completion done = builder.take();
  CHECK(done.finish == FinishReason::kError);
  CHECK(done.token_ids.empty());
  CHECK(done.id == "\"x\"");
  REQUIRE(done.error);
  CHECK(done.error->message == "line 9: a logit is NaN");
}

TEST_CASE("good and bad rows have the same fields") {
  const OutputFormat format{/*token_ids=*/true};
  CHECK(format_row(generate(row_of(R"({"id": 1.50, "prompt_token_ids": [1, 2], "logprobs": true,
                                       "k": [ 1]})"),
                            "a\"b", FinishReason::kLength),
                   format) ==
        R"({"id":1.50,"text":"a\"b","token_ids":[97,34,98],"logprobs":[-1,-1,-1],)"
        R"("finish_reason":"length","usage":{"prompt_tokens":2,"completion_tokens":3,)"
        R"("total_tokens":5},"error":null,"k":[ 1]})"
        "\n");
  CHECK(format_row(failed_completion(row_of(R"({"logprobs": 0, "k": 1})", 3)), format) ==
        R"({"id":3,"text":"","token_ids":[],"logprobs":[],"finish_reason":"error",)"
        R"("usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0},)"
        R"("error":{"code":"missing_prompt","message":"line 3: expected a field prompt, )"
        R"(prompt_token_ids or messages, got none"},"k":1})"
        "\n");
}

TEST_CASE("token ids and log-probabilities are left out unless asked for") {
  const std::string line =
      format_row(generate(row_of(R"({"prompt_token_ids": [1]})"), "a", FinishReason::kLength), {});
  CHECK_FALSE(nlohmann::json::parse(line).contains("token_ids"));
  CHECK_FALSE(nlohmann::json::parse(line).contains("logprobs"));
}

TEST_CASE("every row is valid JSON and UTF-8 whatever it holds") {
  Completion done = failed_completion(row_of("\xFF\xFE {", 1));
  done.text = "a\xFF\x01\n\xE2\x82";
  done.has_logprobs = true;
  done.logprobs = {std::numeric_limits<float>::quiet_NaN(), 1e-30F};
  const auto parsed = nlohmann::json::parse(format_row(done, {true}));
  CHECK(parsed["text"] == "a\xEF\xBF\xBD\x01\n\xEF\xBF\xBD");
  CHECK(parsed["logprobs"][0].is_null());
  CHECK(parsed["logprobs"][1].get<float>() == 1e-30F);
}

std::string ids_in(const std::string& path) {
  std::string ids;
  std::istringstream in(read_text(path));
  for (std::string line; std::getline(in, line);) {
    ids += nlohmann::json::parse(line)["id"].dump() + " ";
  }
  return ids;
}

// Announces rows 0 to `count`, whose completions may then come in any order.
void begin_rows(CompletionWriter& writer, uint64_t count) {
  for (uint64_t row = 0; row < count; ++row) writer.begin(row_of("{}", row + 1));
}

void add(CompletionWriter& writer, const Completion& completion) {
  writer.add(completion, writer.format(completion));
}

TEST_CASE("rows are written in the order of the input, each as soon as no earlier one is missing") {
  const TempDirectory dir;
  ResultFile file(dir.file("out"), {});
  CompletionWriter writer(file, {}, OutputOrder::kInput);
  begin_rows(writer, 5);
  for (const uint64_t line : {3, 1}) add(writer, failed_completion(row_of("{}", line)));
  CHECK(writer.rows_held() == 1);
  CHECK(writer.bytes_held() > 0);
  writer.flush();
  CHECK(ids_in(dir.file("out")) == "1 ");
  for (const uint64_t line : {5, 2, 4}) add(writer, failed_completion(row_of("{}", line)));
  CHECK(writer.finish([] {}, [] { return false; }));
  CHECK(ids_in(dir.file("out")) == "1 2 3 4 5 ");
  CHECK(writer.bytes_held() == 0);
}

TEST_CASE("rows are written as they are completed where that is wanted") {
  const TempDirectory dir;
  ResultFile file(dir.file("out"), {});
  CompletionWriter writer(file, {}, OutputOrder::kCompletion);
  begin_rows(writer, 3);
  for (const uint64_t line : {3, 1, 2}) add(writer, failed_completion(row_of("{}", line)));
  CHECK(writer.rows_held() == 0);
  std::string at_end;
  CHECK(writer.finish([&] { at_end = ids_in(dir.file("out")); }, [] { return false; }));
  CHECK(at_end == "3 1 2 ");
}

TEST_CASE("a job that ends early writes the rows that no earlier one holds back") {
  const TempDirectory dir;
  ResultFile file(dir.file("out"), {});
  CompletionWriter writer(file, {}, OutputOrder::kInput);
  begin_rows(writer, 3);
  for (const uint64_t line : {1, 3}) add(writer, failed_completion(row_of("{}", line)));
  CHECK(writer.suspend().starts_with("1 rows were written"));
  CHECK(ids_in(dir.file("out")) == "1 ");
}

TEST_CASE("an existing output keeps its content until the job starts") {
  const TempDirectory dir;
  const std::string path = dir.write("out", "old content");
  ResultFile file(path, {});
  CHECK(read_text(path) == "old content");
  file.start();
  file.write("new");
  CHECK(read_text(path) == "new");
}

TEST_CASE("outputs that cannot be written are refused when they are opened") {
  const TempDirectory dir;
  const auto open = [](const std::string& path) { ResultFile file(path, {}); };
  CHECK_THROWS_WITH_AS(open(dir.file("")), doctest::Contains("got a directory"), Error);
  CHECK_THROWS_WITH_AS(open(dir.file("none/out")), doctest::Contains("No such file"), Error);
  const std::string locked = dir.write("locked", "");
  std::filesystem::permissions(locked, std::filesystem::perms::owner_read);
  CHECK_THROWS_WITH_AS(open(locked), doctest::Contains("read-only"), Error);
}

TEST_CASE("the input is refused as output, by whatever name") {
  const TempDirectory dir;
  const std::string path = dir.write("in", "{}");
  std::filesystem::create_hard_link(path, dir.file("link"));
  const LineReader reader(path, 100);
  CHECK_THROWS_WITH_AS(ResultFile(dir.file("link"), {reader.file()}),
                       doctest::Contains("already in use"), Error);
}

TEST_CASE("a full disk is a fatal error that names the output") {
  if (!std::filesystem::exists("/dev/full")) {
    MESSAGE("skipped: no /dev/full on this system");
    return;
  }
  ResultFile file("/dev/full", {});
  file.start();
  CHECK_THROWS_WITH_AS(file.write("x"), "/dev/full: cannot write: No space left on device", Error);
}

}  // namespace
}  // namespace eet
