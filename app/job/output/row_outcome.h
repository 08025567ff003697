// How a row ended, without its text: what the statistics of a job count.
#pragma once

#include <cstdint>
#include <string>

#include "app/job/output/completion.h"

namespace eet {

struct RowOutcome {
  FinishReason finish = FinishReason::kNone;
  std::string error_code;  // with kError
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
};

inline RowOutcome outcome_of(const Completion& completion) {
  return {completion.finish, completion.error ? completion.error->code : std::string(),
          completion.prompt_tokens, completion.completion_tokens};
}

}  // namespace eet
