// CSV, TSV and text as input.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "app/job/input/csv_reader.h"
#include "app/job/input/request_reader.h"
#include "tests/app/temp_directory.h"

namespace eet {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

std::vector<CsvRecord> read_csv(std::string_view text, std::optional<size_t> columns = {},
                                char delimiter = ',', size_t max_bytes = kMaxBytes) {
  const TempDirectory dir;
  LineReader lines(dir.write("in.csv", text), kMaxBytes);
  CsvReader reader(lines, delimiter, max_bytes);
  std::vector<CsvRecord> records;
  while (std::optional<CsvRecord> record = reader.next(columns)) records.push_back(*record);
  return records;
}

using Cells = std::vector<std::string>;

Cells cells(std::string_view text) {
  const std::vector<CsvRecord> records = read_csv(text);
  REQUIRE(records.size() == 1);
  CHECK_FALSE(records[0].error);
  return records[0].cells;
}

// The rows of a file of that name, each as its prompt, or as the code of its error.
std::vector<InputRow> read_rows(const char* name, std::string_view text,
                                const InputOptions& options = {}) {
  const TempDirectory dir;
  RequestReader reader({dir.write(name, text)}, {}, options);
  std::vector<InputRow> rows;
  while (std::optional<InputRow> row = reader.next()) rows.push_back(*row);
  return rows;
}

std::vector<std::string> prompts(const std::vector<InputRow>& rows) {
  std::vector<std::string> found;
  found.reserve(rows.size());
  for (const InputRow& row : rows) found.push_back(row.error ? row.error->code : *row.prompt);
  return found;
}

TEST_CASE("cells are split at delimiters, quotes taken off, and quoted breaks kept as they are") {
  CHECK(cells("a,b,c\n") == Cells{"a", "b", "c"});
  CHECK(cells("a,,") == Cells{"a", "", ""});
  CHECK(cells("\"a,b\",\"\",\"say \"\"hi\"\"\"") == Cells{"a,b", "", "say \"hi\""});
  CHECK(cells("\"a\nb\r\n\r\nc\",d\r\n") == Cells{"a\nb\r\n\r\nc", "d"});
  CHECK(cells("5\" pipe, x \"y\" ") == Cells{"5\" pipe", " x \"y\" "});
  CHECK(cells("\xEF\xBB\xBF\"a\",b") == Cells{"a", "b"});
  CHECK(read_csv("a\t\"b\tc\"\n", {}, '\t')[0].cells == Cells{"a", "b\tc"});
}

TEST_CASE("records know their first line and all their bytes") {
  const std::vector<CsvRecord> records = read_csv("a,b\n\n\"1\n2\",x\n3,4");
  REQUIRE(records.size() == 3);
  CHECK(records[1].line == 3);
  CHECK(records[1].bytes == 8);
  CHECK(records[2].line == 5);
  CHECK(records[2].bytes == 3);
}

TEST_CASE("a malformed record costs its first line only") {
  const std::vector<CsvRecord> records =
      read_csv("1,a\n2\n3,b,c\n\"4\"x,d\n5,\"open\n6,e\n7,f\n", 2);
  REQUIRE(records.size() == 7);
  std::string good;
  for (const CsvRecord& record : records) {
    if (!record.error) good += record.cells[0];
    CHECK((!record.error || record.error->code == "invalid_csv"));
  }
  CHECK(good == "167");
  CHECK(records[1].error->message == "expected 2 cells as in the header, got 1");
  CHECK(records[2].error->message == "expected 2 cells as in the header, got more");
  CHECK(records[3].error->message == "cell 1: expected its end behind the closing quote, got x,d");
  CHECK(records[4].error->message == "a quote is not closed before the end of the input");
}

TEST_CASE("a quote that is never closed is given up at the limit") {
  std::string text = "\"open\n";
  for (int i = 0; i < 10'000; ++i) text += "x\n";
  const std::vector<CsvRecord> records = read_csv(text, 1, ',', /*max_bytes=*/5000);
  REQUIRE(records.size() == 10'001);
  CHECK(records[0].error->message == "a quote is not closed within 5000 bytes");
  CHECK_FALSE(records[10'000].error);
}

TEST_CASE("a table gives ids, parameters and prompts, and other cells pass through as strings") {
  const std::vector<InputRow> rows = read_rows(
      "in.csv",
      "id,prompt,max_tokens,temperature,stop,score\r\n007,\"a\nb\",5,0.5,END,1.50\r\n,c,,,,\r\n");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].id == "\"007\"");
  CHECK(rows[0].prompt == "a\nb");
  CHECK(rows[0].params.max_tokens == 5);
  CHECK(rows[0].params.temperature == 0.5F);
  CHECK(rows[0].stop == std::vector<std::string>{"END"});
  CHECK(rows[0].extra == R"(,"score":"1.50")");
  CHECK(rows[1].id == "4");
  CHECK(rows[1].place.line == 4);
  CHECK(rows[1].row == 1);
  CHECK(rows[1].params.max_tokens == SamplingParams().max_tokens);
  CHECK(rows[1].extra == R"(,"score":"")");
}

TEST_CASE("cells of a table that are bad make bad rows") {
  const std::vector<InputRow> rows = read_rows(
      "in.csv", "prompt,max_tokens,x\na,many,\nb,3,\xFF\nc\n,3,\n\"d\",1e999,\ne,[[[,\nf,2,\n");
  CHECK(prompts(rows) == std::vector<std::string>{"invalid_parameter", "invalid_csv", "invalid_csv",
                                                  "", "invalid_parameter", "invalid_parameter",
                                                  "f"});
  CHECK(rows[0].error->message == "line 2: max_tokens: expected a 32-bit integer, got \"many\"");
  CHECK(rows[1].error->message == "line 3: cell 3: expected text in UTF-8");
  CHECK(rows[2].error->message == "line 4: expected 3 cells as in the header, got 1");
}

TEST_CASE("a table may hold token ids and messages as JSON") {
  const std::vector<InputRow> ids = read_rows("in.tsv", "prompt_token_ids\tid\n[1, 2]\tx\n\ty\n");
  REQUIRE(ids.size() == 2);
  CHECK(ids[0].prompt_ids == std::vector<int32_t>{1, 2});
  CHECK(ids[1].error->code == "missing_prompt");
  const std::vector<InputRow> chats = read_rows(
      "in.csv", "messages\n\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"x\"\"}]\"\n");
  CHECK(chats[0].messages == R"([{"role":"user","content":"x"}])");
}

TEST_CASE("any column may be the prompt, also one that is named like a parameter or an output") {
  for (const std::string column : {"question", "text", "stop", "max_tokens", "id", "messages"}) {
    CAPTURE(column);
    InputOptions options;
    options.prompts.column = column;
    const std::vector<InputRow> rows = read_rows("in.csv", column + ",k\n5,v\n", options);
    REQUIRE(rows.size() == 1);
    CHECK(prompts(rows) == std::vector<std::string>{"5"});
    CHECK(rows[0].extra == R"(,"k":"v")");
  }
}

TEST_CASE("a template takes cells as text, empty ones too") {
  InputOptions options;
  options.prompts.prompt_template.emplace("{a}-{b}.");
  CHECK(prompts(read_rows("in.csv", "a,b\n1,\"x, y\"\n,\n", options)) ==
        std::vector<std::string>{"1-x, y.", "-."});
}

TEST_CASE("a header that cannot serve is fatal and says why") {
  InputOptions with_template;
  with_template.prompts.prompt_template.emplace("{q}");
  const auto check = [](const char* text, const InputOptions& options, const char* message) {
    CHECK_THROWS_WITH_AS(read_rows("in.csv", text, options), doctest::Contains(message), Error);
  };
  check("a,b\n1,2\n", {}, "in.csv: line 1: expected a column \"prompt\", got \"a\", \"b\"");
  check("a,b\n1,2\n", with_template, "expected a column \"q\" for the prompt template");
  check("prompt,a,a\n", {}, "the column \"a\" is there twice");
  check("prompt,\"a\n", {}, "a quote is not closed");
  check("prompt,\xFF\n", {}, "names of columns in UTF-8");
  CHECK(read_rows("in.csv", "").empty());
  CHECK(read_rows("in.csv", "prompt\n").empty());
}

TEST_CASE("a line of text is a prompt as it stands, and blank lines are none") {
  const std::vector<InputRow> rows =
      read_rows("in.txt", "\xEF\xBB\xBFOnce {upon}\r\n\n  \"a\" \\n\n\xFF\n{\"prompt\": \"p\"}");
  CHECK(prompts(rows) == std::vector<std::string>{"Once {upon}", "  \"a\" \\n", "invalid_prompt",
                                                  "{\"prompt\": \"p\"}"});
  CHECK(rows[1].id == "3");
  InputOptions options;
  options.prompts.prompt_template.emplace("Q: {prompt}\\nA:");
  CHECK(prompts(read_rows("in.txt", "Why?\n", options)) == std::vector<std::string>{"Q: Why?\nA:"});
}

TEST_CASE("the format goes by the name of the file unless it is said") {
  CHECK(format_of_name("a.txt") == InputFormat::kText);
  CHECK(format_of_name("dir.csv/a.TSV") == InputFormat::kTsv);
  CHECK(format_of_name("a.csv.gz") == InputFormat::kCsv);
  CHECK(format_of_name("a.txt.zst") == InputFormat::kText);
  CHECK(format_of_name("a.jsonl.gz") == InputFormat::kJsonl);
  for (const char* name : {"a", "-", "a.json", "a.gz", "txt", ".txt", ""}) {
    CHECK(format_of_name(name) == InputFormat::kJsonl);
  }
  InputOptions options;
  options.format = InputFormat::kText;
  CHECK(prompts(read_rows("in.csv", "a,b\n", options)) == std::vector<std::string>{"a,b"});
}

TEST_CASE("a table whose lines end in CR alone has its rows, and quoted CRs stay") {
  CHECK(prompts(read_rows("in.csv", "prompt,id\rHello,1\rBye,2")) ==
        std::vector<std::string>{"Hello", "Bye"});
  CHECK(prompts(read_rows("in.csv", "prompt\r\"a\rb\"\r\nc\n")) ==
        std::vector<std::string>{"a\rb", "c"});
}

TEST_CASE("a table's cells of truth may be as Python writes them") {
  const auto rows = read_rows("in.csv", "prompt,ignore_eos,tag\na,True,True\nb,False,x\n");
  CHECK(rows.at(0).params.ignore_eos);
  CHECK(rows.at(0).extra == R"(,"tag":"True")");
  CHECK_FALSE(rows.at(1).params.ignore_eos);
  CHECK_FALSE(rows.at(1).error);
}

TEST_CASE("a JSON array is read element by element, on whatever lines they are") {
  const auto rows = read_rows(
      "in.json", "\n [ {\"prompt\": \"a, ]}\\\"\"},\n{\n\"prompt\":\n\"b\"} , {\"x\": 1}, 5\n]\n");
  CHECK(prompts(rows) ==
        std::vector<std::string>{"a, ]}\"", "b", "missing_prompt", "invalid_json"});
  CHECK(rows.at(1).place.line == 3);
  CHECK(rows.at(1).id == "2");
  CHECK(rows.at(3).place.line == 5);
  CHECK(read_rows("in.jsonl", "[]").empty());
  CHECK(prompts(read_rows("in.jsonl", "\xEF\xBB\xBF[{\"prompt\":\"a\"}]")) ==
        std::vector<std::string>{"a"});
  // A million bytes of one line, longer than any read.
  std::string text = "[";
  for (int i = 0; i < 50'000; ++i) text += "{\"prompt\":\"" + std::to_string(i) + "\"},";
  text.back() = ']';
  CHECK(read_rows("in.json", text).size() == 50'000);
  // Lines that only begin like an array are error rows of JSON lines.
  CHECK(prompts(read_rows("in.jsonl", "[1]\n{\"prompt\":\"a\"}\n")) ==
        std::vector<std::string>{"invalid_json", "a"});
}

TEST_CASE("a JSON array that is cut short, or goes on, is fatal") {
  for (const char* text : {"[{\"prompt\":\"a\"}", "[{\"prompt\":\"a\"},", "[{\"prompt\":\"a",
                           "[{\"prompt\":\"a\"}] x"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(read_rows("in.json", text), doctest::Contains("a JSON array"), Error);
  }
}

TEST_CASE("a limit takes the first rows of the input, and of them those of the shard") {
  InputOptions options;
  options.limit = 3;
  CHECK(prompts(read_rows("in.txt", "a\nb\nc\nd\n", options)) ==
        std::vector<std::string>{"a", "b", "c"});
  options.shard = {1, 2};
  CHECK(prompts(read_rows("in.txt", "a\nb\nc\nd\n", options)) == std::vector<std::string>{"b"});
}

TEST_CASE("the delimiter of a table is the one that makes the prompt's column") {
  const auto ids_and_prompts = [](const std::string& text, const std::string& name = "in.csv") {
    std::vector<std::string> found;
    for (const InputRow& row : read_rows(name.c_str(), text)) {
      found.push_back(row.id + " " + row.prompt.value_or("none"));
    }
    return found;
  };
  using Found = std::vector<std::string>;
  CHECK(ids_and_prompts("id;prompt\r\n1;\"a; b\"\r\n2;c,d\r\n") ==
        Found{"\"1\" a; b", "\"2\" c,d"});
  CHECK(ids_and_prompts("\"id\";\"prompt\"\n\"1\";\"a\"\n") == Found{"\"1\" a"});
  CHECK(ids_and_prompts("sep=;\nid;prompt\n1;a\n") == Found{"\"1\" a"});
  CHECK(ids_and_prompts("sep=_\nid_prompt\n1_a\n") == Found{"\"1\" a"});
  CHECK(ids_and_prompts("id\tprompt\n1\ta, b\n") == Found{"\"1\" a, b"});
  CHECK(ids_and_prompts("id|prompt\n1|a\n") == Found{"\"1\" a"});
  CHECK(ids_and_prompts("prompt,id;x\na;b,1\n") == Found{"2 a;b"});
  CHECK_THROWS_WITH_AS(ids_and_prompts("id;prompt\n1;a\n", "in.tsv"),
                       doctest::Contains("expected a column \"prompt\", got \"id;prompt\""), Error);
  CHECK_THROWS_WITH_AS(ids_and_prompts("ID,Prompt\n1,a\n"),
                       doctest::Contains("got \"ID\", \"Prompt\"; name"), Error);
}

TEST_CASE("a list in a column of stop strings is one") {
  const std::vector<InputRow> rows = read_rows(
      "in.csv", "prompt,stop\na,\"[\"\"x\"\", \"\"y\\n\"\"]\"\nb,[x\nb,[1]\nc,\"\"\"x\"\"\"\n");
  CHECK(rows.at(0).stop == std::vector<std::string>{"x", "y\n"});
  CHECK(rows.at(1).stop == std::vector<std::string>{"[x"});
  CHECK(rows.at(2).stop == std::vector<std::string>{"[1]"});
  CHECK(rows.at(3).stop == std::vector<std::string>{"\"x\""});
}

TEST_CASE("what programs write for nothing is nothing in a column of parameters") {
  const std::vector<InputRow> rows =
      read_rows("in.csv", "prompt,temperature,note\na,None,None\nb,NaN,nan\nc,nan,x\nd,0.5,x\n");
  for (size_t i = 0; i < 3; ++i)
    CHECK(rows.at(i).params.temperature == SamplingParams().temperature);
  CHECK(rows.at(3).params.temperature == 0.5F);
  CHECK(rows.at(0).extra == R"(,"note":"None")");
}

}  // namespace
}  // namespace eet
