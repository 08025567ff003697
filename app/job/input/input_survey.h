// What a job's input holds, row by row, before anything runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "app/forecast/row_shape.h"
#include "app/job/id_set.h"
#include "app/job/input/input_row.h"
#include "app/job/input/prefix_survey.h"

namespace eet {

// Prompt lengths, one counter for each. Bounded by the longest prompt that a model takes.
class LengthCounts {
 public:
  void add(size_t length);

  int64_t rows() const { return rows_; }
  int64_t tokens() const { return tokens_; }
  double mean() const;
  // The length that a share `q` in (0, 1] of all rows do not exceed; 0 when there are none.
  size_t quantile(double q) const;

  struct Bin {
    size_t first = 0;
    size_t last = 0;
    int64_t rows = 0;
  };
  // Rows of 1, 2 to 3, 4 to 7 tokens and so on, up to the longest.
  std::vector<Bin> histogram() const;

 private:
  std::vector<int64_t> counts_;  // by length
  int64_t rows_ = 0;
  int64_t tokens_ = 0;
};

// Memory is bounded but for the hashes of ids, at most 23 bytes each, and the shapes of rows. The
// prompts of the last rows are held as well, as PrefixSurvey says.
class InputSurvey {
 public:
  // Lists the first `max_listed` rows that are bad, or have the id of a row before them. Keeps
  // `sample_rows` good rows from all over the input.
  InputSurvey(size_t sample_rows, size_t max_listed, PrefixSurvey prefixes = PrefixSurvey())
      : sample_rows_(sample_rows), max_listed_(max_listed), prefixes_(std::move(prefixes)) {}

  // Takes a row that has been encoded and checked.
  void add(const InputRow& row);
  // After the last row.
  void finish() { prefixes_.finish(shapes); }

  struct Listed {
    RowPlace place;
    std::string code;
    std::string message;  // or the id
  };

  int64_t rows = 0;
  int64_t bad_rows = 0;
  std::map<std::string, int64_t> bad_codes;
  std::vector<Listed> bad_listed;
  int64_t duplicate_ids = 0;
  std::vector<Listed> duplicates_listed;
  int64_t truncated_rows = 0;
  LengthCounts prompts;           // of good rows
  int64_t max_output_tokens = 0;  // that good rows may generate
  std::vector<RowShape> shapes;   // of good rows
  std::vector<InputRow> sample;   // every good row is as likely to be one of them

 private:
  void add_to_sample(const InputRow& row);

  size_t sample_rows_;
  size_t max_listed_;
  PrefixSurvey prefixes_;
  IdSet ids_;
  std::minstd_rand random_;
};

}  // namespace eet
