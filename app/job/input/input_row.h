// A row of the input as a request, whatever format it came in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/job/input/chat_options.h"
#include "app/job/output/row_style.h"
#include "lib/core/error.h"
#include "lib/sampling/sampling_params.h"

namespace eet {

// What a row is given where it says nothing itself.
struct RowDefaults {
  SamplingParams params;
  std::vector<std::string> stop;
  bool logprobs = false;
  bool echo = false;
  bool chat = false;  // prompts are messages of the user
  RowStyle style =
      RowStyle::kSimple;  // of the output, whose names no field that passes through has
  int32_t top_logprobs = 0;
};

// Where a row is in the input.
struct RowPlace {
  RowPlace() = default;
  RowPlace(uint64_t line_number)  // NOLINT(google-explicit-constructor): where files are one
      : line(line_number), number(line_number) {}

  uint64_t line = 0;    // of its file, from 1; the first one of a record of several lines
  uint64_t number = 0;  // of the line or, in an array, of the element; counted through all inputs
  std::string file;     // its name, where the job has several inputs

  // "line 3" or "b.jsonl: line 3".
  std::string text() const;
};

// One row of the input. A row that cannot run has `error` and still takes its place in the output.
struct InputRow {
  uint64_t row = 0;  // index among the rows of the job: names its random stream
  RowPlace place;
  int64_t input_bytes = 0;  // of its lines
  std::string id;           // JSON text: the row's own id, or the number of its place
  std::string extra;        // JSON text of the fields that pass through: ,"key":value for each
  std::string model;        // JSON text of the model that an OpenAI row names, or empty
  bool is_chat = false;     // asks for the next message of a conversation

  // The prompt is one of these until it is tokenized into prompt_ids.
  std::optional<std::string> prompt;    // text
  std::optional<std::string> messages;  // JSON text of a conversation that check_messages passed
  ChatOptions chat;                     // of messages, or of a prompt that is made one
  std::vector<int32_t> prompt_ids;
  bool truncated = false;  // prompt_ids are not all of the prompt

  // Of a row that is scored: the text that follows the prompt, until it is the end of prompt_ids,
  // which are scored from score_from on.
  std::optional<std::string> completion;
  std::optional<int32_t> score_from;

  SamplingParams params;
  std::vector<std::string> stop;
  bool logprobs = false;     // the output has those of the row's tokens
  int32_t top_logprobs = 0;  // and as many of the likeliest tokens beside each
  bool echo = false;         // and the prompt in front of the text
  std::optional<RowError> error;

  // About what the row takes while it waits: its ids are there and in the engine's request.
  size_t memory_bytes() const {
    return static_cast<size_t>(input_bytes) + 2 * sizeof(int32_t) * prompt_ids.size();
  }

  // Marks the row as bad; the message gets its place in front.
  void fail(RowError reason);
};

}  // namespace eet
