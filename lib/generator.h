// Requests in, tokens out: what one engine and a group of them have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/core/dtype.h"
#include "lib/core/error.h"
#include "lib/core/memory.h"
#include "lib/device_fault.h"
#include "lib/engine_stats.h"
#include "lib/request.h"

namespace eet {

// What an engine runs on, and its accounts.
struct EngineReport {
  std::string name;    // as EngineOptions::device
  std::string device;  // as OpenDevice::description()
  std::string kind;    // as OpenDevice::kind()
  EngineStats stats;
  std::vector<MemoryItem> memory;           // the ledger
  int64_t peak_device_bytes = 0;            // measured, 0 on the CPU
  std::optional<std::string> failure = {};  // why it was dropped
};

// Called by one thread at a time.
class Generator {
 public:
  virtual ~Generator() = default;

  // Why this request can never run (prompt too long, id out of range, parameters), or nothing. May
  // be called while another thread is in step().
  virtual std::optional<RowError> check(const Request& request) const = 0;

  // Queues a request that passed check().
  virtual void add_request(Request request) = 0;

  // Requests queued and not yet running. Feeding up to sort_window() of them lets rows be sorted;
  // more only cost memory.
  virtual size_t num_waiting() const = 0;
  virtual size_t sort_window() const = 0;
  virtual bool has_work() const = 0;

  // Does a part of the work and returns the tokens that have become known: none is possible. Valid
  // until the next call. Throws DeviceFault where the process can use no device any more; all that
  // was returned before is good.
  virtual std::span<const TokenOutput> step() = 0;

  // Ends a running sample (a stop string matched): no more work is spent on it. Tokens of it that
  // were computed before may still come.
  virtual void stop(uint64_t row, int32_t sample) = 0;

  virtual int64_t max_model_len() const = 0;
  virtual int max_num_seqs() const = 0;  // of each engine
  virtual DType dtype() const = 0;

  // Of all engines together, and of each. Complete while there is no work.
  virtual EngineStats stats() const = 0;
  virtual std::vector<EngineReport> reports() const = 0;
};

}  // namespace eet
