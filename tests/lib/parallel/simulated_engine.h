// An engine without a model: tokens are a hash of row, sample and place.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/generator.h"

namespace eet::test {

// What engines wait for, so that threads that the system runs late do not change a test's course.
class Gate {
 public:
  explicit Gate(int failures = 1) : closed_by_(failures) {}
  void count_failure() {
    const std::lock_guard lock(mutex_);
    --closed_by_;
    opened_.notify_all();
  }
  // Gives up after a while: then the test fails, and does not hang.
  void wait() {
    std::unique_lock lock(mutex_);
    opened_.wait_for(lock, std::chrono::seconds(20), [this] { return closed_by_ <= 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  int closed_by_;
};

struct SimulatedOptions {
  std::string name = "sim:0";
  std::string kind = "simulated";
  int max_num_seqs = 4;
  size_t sort_window = 64;
  int64_t max_positions = 1'000'000;  // of a row: the memory of this engine
  int64_t fails_at_step = -1;
  int64_t faults_at_step = -1;        // and takes the process with it
  int64_t wrong_from_step = -1;       // from there on it gives other tokens
  std::shared_ptr<Gate> opens = {};   // where it fails
  std::shared_ptr<Gate> awaits = {};  // before step `waits_at_step`
  int64_t waits_at_step = 3;
  std::chrono::microseconds step_time{0};
  int32_t vocab_size = 30'000;
};

inline int32_t simulated_token(uint64_t row, int32_t sample, int64_t place) {
  uint64_t x = row * 0x9E3779B97F4A7C15ULL + static_cast<uint64_t>(sample) * 0xC2B2AE3D27D4EB4FULL +
               static_cast<uint64_t>(place) * 0x165667B19E3779F9ULL + 1;
  x ^= x >> 31;
  x *= 0xBF58476D1CE4E5B9ULL;
  return static_cast<int32_t>((x ^ x >> 27) % 30000);
}

// Every row gets all of its max_tokens.
class SimulatedEngine : public Generator {
 public:
  explicit SimulatedEngine(SimulatedOptions options) : options_(std::move(options)) {}

  std::optional<RowError> check(const Request& request) const override {
    const auto prompt = static_cast<int64_t>(request.prompt.size());
    if (prompt + request.params.max_tokens <= options_.max_positions) return std::nullopt;
    return RowError{"does_not_fit", "too large for " + options_.name};
  }
  void add_request(Request request) override { waiting_.push_back(std::move(request)); }
  size_t num_waiting() const override { return waiting_.size(); }
  size_t sort_window() const override { return options_.sort_window; }
  bool has_work() const override { return !waiting_.empty() || !running_.empty(); }

  std::span<const TokenOutput> step() override {
    fail_where_asked();
    if (options_.awaits && stats_.decode_steps == options_.waits_at_step) options_.awaits->wait();
    if (options_.step_time.count() > 0) std::this_thread::sleep_for(options_.step_time);
    outputs_.clear();
    start_rows();
    const bool wrong =
        options_.wrong_from_step >= 0 && stats_.decode_steps >= options_.wrong_from_step;
    for (auto at = running_.begin(); at != running_.end();) {
      auto& [key, sequence] = *at;
      const int32_t token =
          simulated_token(key.first, key.second, sequence.given++) % options_.vocab_size;
      const bool ends = sequence.given == sequence.max_tokens;
      outputs_.push_back({.row = key.first,
                          .sample = key.second,
                          .token_id = token + (wrong ? 1 : 0),
                          .logprob = static_cast<float>(token) * -1e-4F,
                          .finish = ends ? FinishReason::kLength : FinishReason::kNone});
      at = ends ? running_.erase(at) : std::next(at);
    }
    ++stats_.decode_steps;
    stats_.output_tokens += static_cast<int64_t>(outputs_.size());
    return outputs_;
  }

  void stop(uint64_t row, int32_t sample) override { running_.erase({row, sample}); }

  int64_t max_model_len() const override { return 1'000'000; }
  int max_num_seqs() const override { return options_.max_num_seqs; }
  DType dtype() const override { return DType::kF32; }
  EngineStats stats() const override { return stats_; }
  std::vector<EngineReport> reports() const override {
    return {{.name = options_.name,
             .device = "simulated device",
             .kind = options_.kind,
             .stats = stats_,
             .memory = {{"weights", 7}}}};
  }

 private:
  void fail_where_asked() const {
    const bool fails = stats_.decode_steps == options_.fails_at_step;
    const bool faults = stats_.decode_steps == options_.faults_at_step;
    if ((fails || faults) && options_.opens) options_.opens->count_failure();
    if (fails) throw std::runtime_error("the bus is gone");
    if (faults) throw DeviceFault(options_.name + " failed: a stray write");
  }

  struct Running {
    int64_t given = 0;
    int64_t max_tokens = 0;
  };

  void start_rows() {
    while (!waiting_.empty()) {
      const Request& request = waiting_.front();
      const int32_t samples = request.params.num_samples();
      if (running_.size() + static_cast<size_t>(samples) >
          static_cast<size_t>(options_.max_num_seqs)) {
        return;
      }
      for (int32_t sample = 0; sample < samples; ++sample) {
        running_[{request.row, sample}] = {0, request.params.max_tokens};
      }
      waiting_.pop_front();
    }
  }

  SimulatedOptions options_;
  std::deque<Request> waiting_;
  std::map<std::pair<uint64_t, int32_t>, Running> running_;
  std::vector<TokenOutput> outputs_;
  EngineStats stats_;
};

inline Request simulated_request(uint64_t row, int prompt_len, int max_tokens, int n = 1) {
  Request request;
  request.row = row;
  request.prompt.assign(static_cast<size_t>(prompt_len), static_cast<int32_t>(row % 1000));
  request.params.max_tokens = max_tokens;
  request.params.n = n;
  return request;
}

}  // namespace eet::test
