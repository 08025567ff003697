// One checkpoint for several devices.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "lib/model/weights.h"

namespace eet {

// Loads each tensor once, for whoever asks for it first, and keeps it until all takers have it:
// what a loader decompresses or rearranges is paid for once. Takers ask for the tensors in about
// the same order; one that is far ahead of another waits for it, so that few tensors are kept.
class SharedLoader {
 public:
  SharedLoader(TensorLoader loader, size_t num_takers);

  // The loader of one of the takers, to be called from any threads. When its last copy goes, the
  // others do not wait for this taker any longer. This must outlive it.
  TensorLoader loader_of(size_t taker);

 private:
  static constexpr size_t kMaxKept = 8;

  struct Kept {
    std::shared_future<HostTensor> tensor;
    std::vector<bool> taken;  // by whom
  };

  HostTensor load(size_t taker, const TensorSpec& spec);
  void take(size_t taker, Kept& kept);
  void leave(size_t taker);
  bool is_last(size_t taker) const;
  bool all_have(const Kept& kept) const;

  TensorLoader loader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<TensorKey, Kept> kept_;
  std::vector<bool> gone_;       // takers that will not ask again
  std::vector<int64_t> counts_;  // of tensors that each has taken
};

}  // namespace eet
