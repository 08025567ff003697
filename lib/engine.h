// The library's front door: requests in, tokens out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/core/memory.h"
#include "lib/engine_options.h"
#include "lib/engine_stats.h"
#include "lib/model/weights.h"
#include "lib/request.h"

namespace eet {

class Engine {
 public:
  // Plans and takes all memory; throws Error when it does not fit, with the ledger in the message.
  // Without a loader the weights are random, drawn from options.seed (for benchmarks).
  Engine(const ModelConfig& config, const TensorLoader& loader, const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Why this request can never run (prompt too long, id out of range, parameters), or nothing.
  std::optional<RowError> check(const Request& request) const;

  // Queues a request that passed check().
  void add_request(Request request);

  // Requests queued and not yet running. Feeding the engine up to sort_window() of them lets it
  // sort; more only cost memory.
  size_t num_waiting() const;
  size_t sort_window() const;
  bool has_work() const;

  // Runs one forward pass and returns the tokens that have become known. Valid until the next call.
  std::span<const TokenOutput> step();

  // Ends a running sample (a stop string matched): no further tokens of it are returned.
  void stop(uint64_t row, int32_t sample = 0);

  const ModelConfig& config() const;
  int64_t max_model_len() const;
  int max_num_seqs() const;
  DType dtype() const;
  const EngineStats& stats() const;
  const std::vector<MemoryItem>& memory() const;  // the ledger
  int64_t peak_device_bytes() const;              // measured, 0 on the CPU
  std::string device_name() const;
  std::string device_kind() const;  // as OpenDevice::kind()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eet
