// Several devices that take one checkpoint at the same time.
#include "lib/model/shared_loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "lib/core/error.h"
#include "lib/model/tensor_upload.h"

using namespace eet;

namespace {

std::vector<TensorSpec> specs(int64_t count) {
  std::vector<TensorSpec> all;
  for (int64_t layer = 0; layer < count; ++layer) {
    all.push_back({.key = {.id = TensorId::kQkv, .layer = layer}, .shape = {1}});
  }
  return all;
}

// Tensors of one element, their layer, counted while they exist.
struct Source {
  std::atomic<int> loads = 0;
  std::atomic<int> alive = 0;
  std::atomic<int> most_alive = 0;

  TensorLoader loader() {
    return [this](const TensorSpec& spec) {
      ++loads;
      const int now = ++alive;
      for (int most = most_alive; now > most && !most_alive.compare_exchange_weak(most, now);) {
      }
      const std::shared_ptr<float> element(new float(static_cast<float>(spec.key.layer)),
                                           [this](const float* value) {
                                             --alive;
                                             delete value;
                                           });
      return HostTensor{DType::kF32, spec.shape, {{element.get(), 1}}, element};
    };
  }
};

float value(const HostTensor& tensor) {
  return *static_cast<const float*>(tensor.pieces.front().data);
}

// A taker on a thread, as an engine loads.
std::thread take_all(SharedLoader& shared, size_t taker, int64_t count, std::atomic<int>& right,
                     std::chrono::microseconds pause) {
  return std::thread([=, &shared, &right] {
    const TensorLoader loader = shared.loader_of(taker);
    LoaderAhead ahead(loader, specs(count));
    for (const TensorSpec& spec : specs(count)) {
      if (value(ahead.load(spec)) == static_cast<float>(spec.key.layer)) ++right;
      std::this_thread::sleep_for(pause);
    }
  });
}

}  // namespace

TEST_CASE("each tensor is loaded once for all takers, and few are kept") {
  for (const size_t takers : {1, 2, 8}) {
    CAPTURE(takers);
    Source source;
    {
      SharedLoader shared(source.loader(), takers);
      std::atomic<int> right = 0;
      std::vector<std::thread> threads;
      for (size_t i = 0; i < takers; ++i) {
        threads.push_back(
            take_all(shared, i, 100, right, std::chrono::microseconds(i == 1 ? 300 : 0)));
      }
      for (std::thread& thread : threads) thread.join();
      CHECK(right == static_cast<int>(takers) * 100);
    }
    CHECK(source.loads == 100);
    CHECK(source.alive == 0);
    // Those that are kept, and those that takers have asked for ahead.
    CHECK(source.most_alive <= 8 + 5 * static_cast<int>(takers));
  }
}

TEST_CASE("takers that end early are not waited for") {
  Source source;
  SharedLoader shared(source.loader(), 3);
  std::atomic<int> right = 0;
  std::thread all = take_all(shared, 0, 100, right, std::chrono::microseconds(0));
  std::thread some = take_all(shared, 1, 20, right, std::chrono::microseconds(0));
  std::thread none = take_all(shared, 2, 0, right, std::chrono::microseconds(0));
  for (std::thread* thread : {&all, &some, &none}) thread->join();
  CHECK(right == 120);
  CHECK(source.loads == 100);
  CHECK(source.alive == 0);
}

TEST_CASE("what the loader throws reaches every taker") {
  SharedLoader shared([](const TensorSpec&) -> HostTensor { throw Error("no such tensor"); }, 2);
  const TensorLoader first = shared.loader_of(0);
  const TensorLoader second = shared.loader_of(1);
  CHECK_THROWS_WITH_AS(first(specs(1)[0]), "no such tensor", Error);
  CHECK_THROWS_WITH_AS(second(specs(1)[0]), "no such tensor", Error);
}

TEST_CASE("a tensor may be asked for twice") {
  Source source;
  SharedLoader shared(source.loader(), 2);
  const TensorSpec spec = specs(1)[0];
  {
    const TensorLoader first = shared.loader_of(0);
    const TensorLoader second = shared.loader_of(1);
    CHECK(value(first(spec)) == 0);
    CHECK(value(first(spec)) == 0);
    CHECK(source.loads == 1);
    CHECK(value(second(spec)) == 0);
    CHECK(value(second(spec)) == 0);
  }
  CHECK(source.loads == 2);
  CHECK(source.alive == 0);
}
