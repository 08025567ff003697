// Rows that run on one thread and on several.
#include "app/job/running_rows.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "app/job/input/row_format.h"
#include "app/job/input/row_parser.h"
#include "tests/app/byte_tokenizer.h"

namespace eet {
namespace {

const ByteTokenizer kTokenizer(/*adds_bos=*/false);

std::string format(const Completion& completion) {
  return format_row(completion, {.token_ids = true});
}

CompletionBuilder row_of(uint64_t row, const std::string& more = "") {
  const std::string text = concat(R"({"prompt_token_ids": [65], "max_tokens": 40)", more, "}");
  return {parse_row(text, row + 1, {}), &kTokenizer};
}

// A token of each of `rows`, `rounds` times; row 6 fails, and row 8 has two samples.
std::vector<TokenOutput> tokens_of(uint64_t rows, int rounds) {
  std::vector<TokenOutput> outputs;
  for (int round = 0; round < rounds; ++round) {
    for (uint64_t row = 0; row < rows; ++row) {
      if (row == 6 && round == 3) {
        outputs.push_back(failed_output(6, 0, {"non_finite_logits", "not finite"}));
        continue;
      }
      const auto id = static_cast<int32_t>('a' + (row * 5 + static_cast<uint64_t>(round)) % 26);
      const bool ends = round + 1 == rounds;
      for (int32_t sample = 0; sample < (row == 8 ? 2 : 1); ++sample) {
        outputs.push_back({.row = row,
                           .sample = sample,
                           .token_id = id,
                           .logprob = -1.0F,
                           .finish = ends ? FinishReason::kLength : FinishReason::kNone});
      }
    }
  }
  return outputs;
}

struct Ends {
  std::vector<size_t> tokens;
  std::string text;
};

Ends take_all(RunningRows& rows, const std::vector<TokenOutput>& outputs) {
  Ends all;
  for (const RunningRows::End& end : rows.take(outputs)) {
    all.tokens.push_back(end.token);
    if (end.row) all.text += end.row->text;
  }
  return all;
}

TEST_CASE("several threads make of tokens what one makes, in the same order") {
  constexpr uint64_t kRows = 301;
  const std::vector<TokenOutput> outputs = tokens_of(kRows, 30);
  Ends expected;
  for (const int num_threads : {1, 4}) {
    RunningRows rows(format, num_threads);
    for (uint64_t row = 0; row < kRows; ++row) {
      rows.add(row, row_of(row, row == 8       ? R"(, "n": 2)"
                                : row % 3 == 1 ? R"(, "stop": "kl")"
                                               : ""));
    }
    CHECK(rows.memory_bytes() > 0);
    const Ends ends = take_all(rows, outputs);
    CHECK(rows.size() == 0);
    CHECK(rows.memory_bytes() == 0);
    if (num_threads == 1) expected = ends;
    CHECK(ends.tokens == expected.tokens);
    CHECK(ends.text == expected.text);
  }
  CHECK(expected.tokens.size() == kRows + 1);
  CHECK(expected.text.find(R"("finish_reason":"stop")") != std::string::npos);
  CHECK(expected.text.find("non_finite_logits") != std::string::npos);
}

TEST_CASE("a row whose output cannot be made for want of memory is that row's error") {
  const RunningRows::Format without_memory = [](const Completion& completion) {
    if (!completion.error) throw std::bad_alloc();
    return format(completion);
  };
  RunningRows rows(without_memory, 1);
  rows.add(0, row_of(0));
  const Ends ends = take_all(rows, tokens_of(1, 2));
  CHECK(ends.tokens == std::vector<size_t>{1});
  CHECK(ends.text.find("out_of_memory") != std::string::npos);
}

}  // namespace
}  // namespace eet
