// The library's front door: one model on one device.
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
#include "lib/generator.h"
#include "lib/model/weights.h"
#include "lib/request.h"

namespace eet {

class Engine : public Generator {
 public:
  // Plans and takes all memory; throws Error when it does not fit, with the ledger in the message.
  // Without a loader the weights are random, drawn from options.seed (for benchmarks). On CUDA only
  // the thread that made the engine may step and destroy it, or one with the device current.
  Engine(const ModelConfig& config, const TensorLoader& loader, const EngineOptions& options);
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::optional<RowError> check(const Request& request) const override;
  void add_request(Request request) override;
  size_t num_waiting() const override;
  size_t sort_window() const override;
  bool has_work() const override;

  // Runs one forward pass. Throws DeviceFault with the device's name.
  std::span<const TokenOutput> step() override;

  // No further tokens of the sample are returned.
  void stop(uint64_t row, int32_t sample) override;
  void stop(uint64_t row) { stop(row, 0); }

  int64_t max_model_len() const override;
  int max_num_seqs() const override;
  DType dtype() const override;
  EngineStats stats() const override;
  std::vector<EngineReport> reports() const override;

  const ModelConfig& config() const;
  const std::vector<MemoryItem>& memory() const;  // the ledger
  int64_t peak_device_bytes() const;              // measured, 0 on the CPU
  std::string device_name() const;
  std::string device_kind() const;  // as OpenDevice::kind()

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eet
