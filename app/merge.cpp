#include "app/merge.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/exit_code.h"
#include "app/job/input/line_reader.h"
#include "app/job/output/result_file.h"
#include "app/job/output/whole_file.h"
#include "app/job/shard.h"
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
  ShardTrailer trailer;
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
  LineReader reader(path, kMaxLineBytes);
  std::optional<ShardTrailer> trailer;
  uint64_t rows = 0;
  while (const std::optional<Line> line = reader.next()) {
    require(!trailer, path, ": line ", line->number,
            ": more follows the line that should be the last of a shard's output; give each "
            "shard's output as a file of its own");
    trailer = parse_trailer(checked(reader, *line).text);
    if (!trailer) ++rows;
  }
  require(trailer.has_value(), path, ": after ", rows,
          " rows, expected a last line about the shard, got none: the file is cut short, or not "
          "from a finished `eet generate --shard`");
  const uint64_t expected = trailer->shard.rows_of(trailer->input_rows);
  require(rows == expected, path, ": expected the ", expected, " rows of shard ",
          format_shard(trailer->shard), " of ", trailer->input_rows, " rows, got ", rows,
          ": lines were lost or added; make the shard again");
  return {path, *trailer};
}

void check_same_job(const Part& first, const Part& other) {
  require(first.trailer.shard.count == other.trailer.shard.count, other.path,
          ": expected a shard of ", first.trailer.shard.count, " as ", first.path, " is, got ",
          format_shard(other.trailer.shard));
  require(first.trailer.input_rows == other.trailer.input_rows &&
              first.trailer.input_hash == other.trailer.input_hash,
          first.path, " and ", other.path, ": expected shards of one input, got ",
          first.trailer.input_rows, " and ", other.trailer.input_rows,
          " rows of different text; make both from the same input");
  require(first.trailer.job_hash == other.trailer.job_hash, first.path, " and ", other.path,
          ": expected shards of one job, got different models, flags or versions of eet; make both "
          "with the same command");
}

// The parts of one job in the order of their shards.
std::vector<Part> check_parts(const std::vector<std::string>& paths) {
  std::vector<Part> parts;
  for (const std::string& path : paths) {
    parts.push_back(check_part(path));
    check_same_job(parts.front(), parts.back());
  }
  std::ranges::stable_sort(parts, {}, [](const Part& part) { return part.trailer.shard.index; });
  const uint64_t count = parts.front().trailer.shard.count;
  uint64_t wanted = 0;
  for (size_t i = 0; i < parts.size(); ++i, ++wanted) {
    const uint64_t index = parts[i].trailer.shard.index;
    require(i == 0 || index != parts[i - 1].trailer.shard.index, parts[i].path, ": shard ",
            format_shard(parts[i].trailer.shard), " is also ", parts[i - 1].path,
            ": give each shard once");
    if (index != wanted) break;
  }
  require(wanted == count, "shard ", format_shard({wanted, count}),
          " is missing: give the outputs of all ", count, " shards");
  return parts;
}

// Rows go round: the first of each shard in turn, then the second of each.
template <typename Output>
void join(const std::vector<Part>& parts, Output& output) {
  std::vector<std::unique_ptr<LineReader>> readers;
  readers.reserve(parts.size());
  for (const Part& part : parts) {
    readers.push_back(std::make_unique<LineReader>(part.path, kMaxLineBytes));
  }
  const uint64_t rows = parts.front().trailer.input_rows;
  for (uint64_t row = 0; row < rows; ++row) {
    LineReader& reader = *readers[row % readers.size()];
    const std::optional<Line> line = reader.next();
    require(line.has_value(), reader.name(), ": the file changed while it was merged");
    output.write(checked(reader, *line).text);
    output.write("\n");
  }
  output.finish();
}

void check_not_a_part(const MergeCommand& command) {
  std::error_code ignored;
  for (const std::string& part : command.parts) {
    require(!std::filesystem::equivalent(part, command.output, ignored), command.output,
            ": expected another file for the output, got one of the parts");
  }
}

int merge(const MergeCommand& command) {
  const bool is_file = is_file_or_absent(command.output);
  if (is_file) require_writable(command.output);
  check_not_a_part(command);
  const std::vector<Part> parts = check_parts(command.parts);
  if (is_file) {
    WholeFile output{OutputPlace(command.output)};
    join(parts, output);
  } else {
    ResultFile output(command.output, {});
    join(parts, output);
  }
  return kExitOk;
}

}  // namespace

void add_merge_command(CLI::App& app, int& exit_code) {
  const auto command = std::make_shared<MergeCommand>();
  CLI::App* sub = app.add_subcommand(
      "merge", "Join the outputs of `eet generate --shard` into that of one run");
  sub->add_option("-o,--output", command->output,
                  "The whole output, in input order; - is stdout; .gz and .zst are compressed")
      ->required();
  sub->add_option("parts", command->parts, "The outputs of all shards, in any order")->required();
  sub->footer(R"(Example:
  eet merge -o out.jsonl out.*.jsonl

Before anything is written, each part must prove complete, and together they must be all of one input.)");
  sub->callback([command, &exit_code] { exit_code = merge(*command); });
}

}  // namespace eet
