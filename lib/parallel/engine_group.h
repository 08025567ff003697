// Several engines that work on one queue: data parallel.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/generator.h"

namespace eet {

// Rows go to whichever engine has room, the longest first over all, so that the engines end
// together; rows whose prompts begin alike preferably go to the same one. A row's result does not
// depend on its neighbours, so that engines of one kind give what one of them alone would.
//
// Each engine has a thread of its own. One that throws in mid-job is dropped, and what it had not
// ended runs again on the others: tokens that were handed out already are compared and left out. A
// DeviceFault ends the group instead, as no engine of the process can go on.
class EngineGroup : public Generator {
 public:
  // Makes an engine on the thread that will run it.
  using Factory = std::function<std::unique_ptr<Generator>(size_t index)>;

  struct Options {
    size_t num_engines = 1;  // at most kMaxEngines
    // Go on without engines that cannot be made, as long as one can.
    bool may_leave_out = false;
    Schedule schedule = Schedule::kRefill;
    // Told of every engine that is left out or dropped, on the thread that uses the group.
    std::function<void(const std::string& message)> warn = {};
  };
  static constexpr size_t kMaxEngines = 64;

  // Makes the engines, all at the same time. Throws what the first one of those threw that cannot
  // be made. They must be of one kind, and take the same limits from their options; their memory
  // may differ.
  EngineGroup(const Factory& factory, const Options& options);
  ~EngineGroup() override;
  EngineGroup(const EngineGroup&) = delete;
  EngineGroup& operator=(const EngineGroup&) = delete;

  // Nothing when there is an engine that can run it.
  std::optional<RowError> check(const Request& request) const override;
  void add_request(Request request) override;
  size_t num_waiting() const override;
  size_t sort_window() const override;
  bool has_work() const override;

  // Waits a moment for tokens of any engine. Throws once all that the engines gave has been
  // returned: Error where the last one has failed, DeviceFault where one raised it.
  std::span<const TokenOutput> step() override;
  void stop(uint64_t row, int32_t sample) override;

  int64_t max_model_len() const override;
  int max_num_seqs() const override;
  DType dtype() const override;
  EngineStats stats() const override;
  std::vector<EngineReport> reports() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eet
