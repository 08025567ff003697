// Results as a Markdown table, CSV or JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace eet {

enum class ResultFormat { kMarkdown, kCsv, kJson, kJsonl };

// One line of results: for people, and with every number for programs.
struct ResultRow {
  std::vector<std::pair<std::string, std::string>> cells;  // heading and text
  nlohmann::ordered_json record;                           // an object
};

// Writes each row as soon as it is known. All rows have the same headings and keys.
class ResultWriter {
 public:
  ResultWriter(std::ostream& out, ResultFormat format) : out_(out), format_(format) {}

  void add(const ResultRow& row);
  // After the last row.
  void finish();

 private:
  void add_markdown(const ResultRow& row);
  void add_csv(const ResultRow& row);

  std::ostream& out_;
  ResultFormat format_;
  bool first_ = true;
};

}  // namespace eet
