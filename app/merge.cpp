#include "app/merge.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/exit_code.h"
#include "app/job/input/json_members.h"
#include "app/job/input/line_reader.h"
#include "app/job/output/result_file.h"
#include "app/job/output/row_table.h"
#include "app/job/output/whole_file.h"
#include "app/job/shard.h"
#include "app/job/shard_file.h"
#include "app/output_format.h"
#include "lib/core/error.h"

namespace eet {
namespace {

constexpr size_t kMaxLineBytes = size_t{1} << 30;  // more than any row of the output has

struct MergeCommand {
  std::string output;
  std::vector<std::string> parts;
};

// A shard's output that has proved complete in itself.
struct Part {
  std::string path;
  ShardCheck check;
};

Line checked(const LineReader& reader, const Line& line) {
  require(!line.too_long, reader.name(), ": line ", line.number, ": expected at most ",
          kMaxLineBytes, " bytes, got ", line.bytes);
  return line;
}

// Reads all of a part, to know it is whole before anything is written.
Part check_part(const std::string& path) {
  require(std::filesystem::is_regular_file(path), path,
          ": expected a file, which is read twice: give the outputs of `eet generate --shard`");
  std::optional<ShardCheck> check = read_shard_check(path);
  const bool has_check = check.has_value();
  LineReader reader(path, kMaxLineBytes);
  uint64_t rows = 0;
  while (const std::optional<Line> line = reader.next()) {
    require(has_check || !check, path, ": line ", line->number,
            ": more follows the line that should be the last of a shard's output; give each "
            "shard's output as a file of its own");
    const Line good = checked(reader, *line);
    if (!has_check) check = parse_shard_check(good.text);  // the last line, up to eet 0.1
    if (has_check || !check) ++rows;
  }
  require(check.has_value(), path, ": expected ", shard_check_path(path),
          " beside it, which `eet generate --shard` writes once the shard is finished, got none");
  const uint64_t expected = check->shard.rows_of(check->input_rows);
  require(rows == expected, path, ": expected the ", expected, " rows of shard ",
          format_shard(check->shard), " of ", check->input_rows, " rows, got ", rows,
          ": lines were lost or added; make the shard again");
  require(!check->rows_hash || *check->rows_hash == reader.content_hash(), path,
          ": its rows are not those that shard ", format_shard(check->shard),
          " had when it was finished: make the shard again");
  return {path, *check};
}

void check_same_job(const Part& first, const Part& other) {
  require(first.check.shard.count == other.check.shard.count, other.path, ": expected a shard of ",
          first.check.shard.count, " as ", first.path, " is, got ",
          format_shard(other.check.shard));
  require(first.check.input_rows == other.check.input_rows &&
              first.check.input_hash == other.check.input_hash,
          first.path, " and ", other.path, ": expected shards of one input, got ",
          first.check.input_rows, " and ", other.check.input_rows,
          " rows of different text; make both from the same input");
  require(first.check.job_hash == other.check.job_hash, first.path, " and ", other.path,
          ": expected shards of one job, got different models, flags or versions of eet; make both "
          "with the same command");
}

// Throws Error unless the chat templates of all parts were told the same of the time.
void check_same_time(const std::vector<Part>& parts) {
  const Part* first = nullptr;
  for (const Part& part : parts) {
    if (!part.check.time) continue;
    if (first == nullptr) first = &part;
    require(part.check.time->agrees(*first->check.time), first->path, " and ", part.path,
            ": expected shards whose chat template was told the same time, got ",
            first->check.time->start, " and ", part.check.time->start,
            ", which their prompts have in them: make all shards with one --start-time, say ",
            part.path, " again with --start-time ", first->check.time->start);
  }
}

// The parts of one job in the order of their shards.
std::vector<Part> check_parts(const std::vector<std::string>& paths) {
  std::vector<Part> parts;
  for (const std::string& path : paths) {
    if (path.ends_with(shard_check_path(""))) continue;  // named by a pattern with the part itself
    parts.push_back(check_part(path));
    check_same_job(parts.front(), parts.back());
  }
  std::ranges::stable_sort(parts, {}, [](const Part& part) { return part.check.shard.index; });
  require(!parts.empty(), "expected the outputs of shards, got only the files beside them");
  const uint64_t count = parts.front().check.shard.count;
  uint64_t wanted = 0;
  for (size_t i = 0; i < parts.size(); ++i, ++wanted) {
    const uint64_t index = parts[i].check.shard.index;
    require(i == 0 || index != parts[i - 1].check.shard.index, parts[i].path, ": shard ",
            format_shard(parts[i].check.shard), " is also ", parts[i - 1].path,
            ": give each shard once");
    if (index != wanted) break;
  }
  require(wanted == count, "shard ", format_shard({wanted, count}),
          " is missing: give the outputs of all ", count, " shards");
  check_same_time(parts);
  return parts;
}

// Calls take(row) for each row as it stands in a part. Rows go round: the first of each shard in
// turn, then the second of each.
void for_each_row(const std::vector<Part>& parts,
                  const std::function<void(std::string_view)>& take) {
  std::vector<std::unique_ptr<LineReader>> readers;
  readers.reserve(parts.size());
  for (const Part& part : parts) {
    readers.push_back(std::make_unique<LineReader>(part.path, kMaxLineBytes));
  }
  const uint64_t rows = parts.front().check.input_rows;
  for (uint64_t row = 0; row < rows; ++row) {
    LineReader& reader = *readers[row % readers.size()];
    const std::optional<Line> line = reader.next();
    require(line.has_value(), reader.name(), ": the file changed while it was merged");
    take(checked(reader, *line).text);
  }
}

// The style of rows that have been written, by their second field: all begin with the id.
RowStyle style_of(std::string_view row) {
  const std::vector<JsonMember> members = split_members(row);
  const std::string second = members.size() > 1 ? members[1].key : "";
  if (second == "custom_id") return RowStyle::kOpenAi;
  return second == "log_likelihood" ? RowStyle::kScore : RowStyle::kSimple;
}

// All rows as a table, whose columns are those of all rows.
template <typename Output>
void join_table(const std::vector<Part>& parts, char delimiter, Output& output) {
  std::optional<RowTable> table;
  for_each_row(parts, [&](std::string_view row) {
    if (!table) {
      const RowStyle style = style_of(row);
      require(style != RowStyle::kOpenAi,
              "lines of OpenAI's batch output are no table: give the "
              "output a name that ends in .jsonl");
      table.emplace(TableFormat{delimiter}, style);
    }
    table->add_columns(row);
  });
  if (!table) table.emplace(TableFormat{delimiter}, RowStyle::kSimple);
  output.write(table->header());
  for_each_row(parts, [&](std::string_view row) { output.write(table->record(row)); });
}

template <typename Output>
void join(const std::vector<Part>& parts, std::optional<char> delimiter, Output& output) {
  if (delimiter) {
    join_table(parts, *delimiter, output);
  } else {
    for_each_row(parts, [&](std::string_view row) {
      output.write(row);
      output.write("\n");
    });
  }
  output.finish();
}

void check_not_a_part(const MergeCommand& command) {
  std::error_code ignored;
  for (const std::string& part : command.parts) {
    for (const std::string& file : {part, shard_check_path(part)}) {
      require(!std::filesystem::equivalent(file, command.output, ignored), command.output,
              ": expected another file for the output, got one of the parts");
    }
  }
}

int merge(const MergeCommand& command) {
  const bool is_file = is_file_or_absent(command.output);
  if (is_file) require_writable(command.output);
  check_not_a_part(command);
  const std::vector<Part> parts = check_parts(command.parts);
  if (is_file) {
    WholeFile output{OutputPlace(command.output)};
    join(parts, delimiter_of_name(command.output), output);
  } else {
    ResultFile output(command.output, {});
    join(parts, delimiter_of_name(command.output), output);
  }
  return kExitOk;
}

}  // namespace

void add_merge_command(CLI::App& app, int& exit_code) {
  const auto command = std::make_shared<MergeCommand>();
  CLI::App* sub = app.add_subcommand(
      "merge", "Join the outputs of `eet generate --shard` into that of one run");
  sub->add_option(
         "-o,--output", command->output,
         "The whole output, in input order; - is stdout; .csv and .tsv are tables;\n.gz, .xz and "
         ".zst are compressed")
      ->required();
  sub->add_option("parts", command->parts, "The outputs of all shards, in any order")->required();
  sub->footer(R"(Example:
  eet merge -o out.jsonl out.*.jsonl

Before anything is written, each part must prove complete, and together they must be all of one input.)");
  sub->callback([command, &exit_code] { exit_code = merge(*command); });
}

}  // namespace eet
