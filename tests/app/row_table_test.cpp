#include "app/job/output/row_table.h"

#include <doctest/doctest.h>

#include <string>

#include "app/job/output/completion_writer.h"
#include "app/job/output/result_file.h"
#include "lib/core/error.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

TEST_CASE("a cell is quoted where it must be, and tells null from the empty string") {
  RowTable table({}, RowStyle::kSimple);
  const auto record = [&](const std::string& text) {
    const std::string row =
        R"({"id":1,"text":)" + text + R"(,"finish_reason":"stop","usage":null,"error":null})";
    table.add_columns(row);
    return table.record(row);
  };
  CHECK(table.header() == "id,text,finish_reason,usage,error\n");
  CHECK(record(R"("a b")") == "1,a b,stop,,\n");
  CHECK(record(R"("a,b")") == "1,\"a,b\",stop,,\n");
  CHECK(record(R"("say \"hi\"")") == "1,\"say \"\"hi\"\"\",stop,,\n");
  CHECK(record(R"("a\nb")") == "1,\"a\nb\",stop,,\n");
  CHECK(record(R"("a\rb")") == "1,\"a\rb\",stop,,\n");
  CHECK(record(R"("a\tb")") == "1,a\tb,stop,,\n");
  CHECK(record(R"("Gr\u00fc\u00dfe \ud83d\ude00")") == "1,Gr\u00fc\u00dfe \U0001F600,stop,,\n");
  CHECK(record(R"("")") == "1,\"\",stop,,\n");
  CHECK(record("null") == "1,,stop,,\n");
  CHECK(record("1.50") == "1,1.50,stop,,\n");
  CHECK(record("true") == "1,true,stop,,\n");
  CHECK(record(R"({"a": [1, "x"]})") == "1,\"{\"\"a\"\": [1, \"\"x\"\"]}\",stop,,\n");
  CHECK(record("[1,2]") == "1,\"[1,2]\",stop,,\n");
}

TEST_CASE("a table with tabs quotes tabs and not commas") {
  RowTable table({'\t'}, RowStyle::kSimple);
  CHECK(table.record(R"({"id":"a,b","text":"c\td"})") == "a,b\t\"c\td\"\t\t\t\n");
}

TEST_CASE("columns are the style's in its order, then others as they first appear") {
  RowTable table({',', {"truncated"}}, RowStyle::kSimple);
  table.add_columns(R"({"id":1,"text":"","z":1,"b":2})");
  table.add_columns(R"({"id":1,"logprobs":[],"a":1,"z":3,"token_ids":[1]})");
  CHECK(table.header() == "id,text,token_ids,logprobs,finish_reason,usage,error,truncated,z,b,a\n");
  CHECK(table.record(R"({"a":"x","id":1})") == "1,,,,,,,,,,x\n");
  CHECK_THROWS_WITH_AS(table.record(R"({"id":1,"other":2})"),
                       doctest::Contains("the field \"other\""), Error);
  RowTable scores({}, RowStyle::kScore);
  CHECK(scores.header() == "id,log_likelihood,perplexity,is_greedy,usage,error\n");
}

TEST_CASE("rows with too many different fields are no table") {
  RowTable table({}, RowStyle::kSimple);
  std::string row = "{\"id\":1";
  for (int i = 0; i < 5000; ++i) row += ",\"f" + std::to_string(i) + "\":1";
  CHECK_THROWS_WITH_AS(table.add_columns(row + "}"), doctest::Contains("too many for a table"),
                       Error);
}

Completion row(uint64_t index, const std::string& extra, bool failed = false) {
  Completion completion;
  completion.row = index;
  completion.id = std::to_string(index);
  completion.extra = extra;
  completion.finish = FinishReason::kStop;
  if (failed) completion.error = {"code", "message"};
  return completion;
}

std::string stream_of(const std::vector<Completion>& completions) {
  const TempDirectory dir;
  ResultFile file(dir.file("out"), {});
  OutputFormat format;
  format.table.emplace();
  CompletionWriter writer(file, format, OutputOrder::kCompletion);
  for (const Completion& each : completions) writer.add(each, writer.format(each));
  writer.finish([] {}, [] { return false; });
  return read_text(dir.file("out"));
}

TEST_CASE("the first good row of a stream names the columns") {
  const std::string header = "id,text,finish_reason,usage,error";
  const std::string text = stream_of({row(0, "", true), row(1, R"(,"k":"v")"), row(2, "", true)});
  CHECK(text.starts_with(header + ",k\n0,\"\",stop,"));
  CHECK(text.find("\n1,\"\",stop,") != std::string::npos);
  CHECK(text.find("}\",,v\n") != std::string::npos);
  CHECK(stream_of({}) == header + "\n");
  CHECK(stream_of({row(0, "", true)}).starts_with(header + "\n0,"));
  CHECK_THROWS_WITH_AS(stream_of({row(0, ""), row(1, R"(,"k":"v")")}),
                       doctest::Contains("the first row names the columns"), Error);
}

}  // namespace
}  // namespace eet
