// Where the job's finished rows go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "app/job/input/request_reader.h"
#include "app/job/output/completion.h"
#include "app/job/output/row_outcome.h"

namespace eet {

enum class OutputOrder { kInput, kCompletion };

// True once the user wants the job to end early.
using StopRequested = std::function<bool()>;

// Each row is announced by begin(), in the order of the input, and unless that says that it is done
// already, add() brings its completion, in any order.
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;

  // What became of `row` in an earlier run whose result still holds: then it need not run again.
  virtual std::optional<RowOutcome> begin(const InputRow& row) = 0;

  // The completion's row of the output. May be called by several threads at the same time.
  virtual std::string format(const Completion& completion) const = 0;

  // Takes a completion, and the text that format() gives for it.
  virtual void add(const Completion& completion, std::string text) = 0;

  // Passes on what add() took, as far as the order allows. Cheap enough to be called after every
  // step.
  virtual void flush() = 0;

  // Finished rows, and their bytes, that wait in memory for an earlier one.
  virtual uint64_t rows_held() const = 0;
  virtual size_t bytes_held() const = 0;

  // All rows have come: completes the output, and calls `on_complete` before what a repetition
  // would need is removed. False when `stop_requested` ended that early.
  virtual bool finish(const std::function<void()>& on_complete,
                      const StopRequested& stop_requested) = 0;

  // The job ends early: keeps what can be kept, and says what that is and how to go on.
  virtual std::string suspend() = 0;
};

}  // namespace eet
