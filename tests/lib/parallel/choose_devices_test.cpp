// Which GPUs a job takes, on machines of all kinds.
#include "lib/parallel/choose_devices.h"

#include <doctest/doctest.h>

#include "lib/core/error.h"

using namespace eet;

namespace {

using Names = std::vector<std::string>;

DeviceList machine(const std::vector<std::string>& gpus) {
  DeviceList list;
  for (size_t i = 0; i < gpus.size(); ++i) {
    list.devices.push_back({.name = concat("cuda:", i),
                            .description = gpus[i],
                            .compute_capability = "9.0",
                            .memory_bytes = 1});
  }
  list.devices.push_back({.name = "cpu", .description = "CPU", .compute_capability = {}});
  if (gpus.empty()) list.no_cuda = "no driver";
  return list;
}

Names names(const std::string& device, std::optional<int> size,
            const std::vector<std::string>& gpus) {
  return choose_devices(device, size, machine(gpus)).names;
}

}  // namespace

TEST_CASE("auto takes every GPU of the first one's kind, and says which it leaves out") {
  CHECK(names("auto", {}, {"A", "A", "A"}) == Names{"cuda:0", "cuda:1", "cuda:2"});
  CHECK(names("cuda", {}, {"A", "A"}) == Names{"cuda:0", "cuda:1"});
  const ChosenDevices mixed = choose_devices("auto", {}, machine({"A", "B", "A"}));
  CHECK(mixed.names == Names{"cuda:0", "cuda:2"});
  REQUIRE(mixed.left_out.size() == 1);
  CHECK(mixed.left_out[0].starts_with("cuda:1 (B) is left out"));
}

TEST_CASE("a GPU whose properties cannot be read is left out, and the others are taken") {
  DeviceList list = machine({"cannot be read: lost", "A", "B", "A"});
  list.devices[0].compute_capability.clear();
  const ChosenDevices chosen = choose_devices("auto", {}, list);
  CHECK(chosen.names == Names{"cuda:1", "cuda:3"});
  REQUIRE(chosen.left_out.size() == 2);
  CHECK(chosen.left_out[0] == "cuda:0 is left out: it cannot be read: lost");
  CHECK(chosen.left_out[1].ends_with("of cuda:1 (A)"));
  CHECK_THROWS_AS(choose_devices("cuda", 3, list), Error);
  list.devices.resize(2);
  CHECK(choose_devices("auto", {}, list).names == Names{"cuda:1"});
}

TEST_CASE("with one device the name stays what the user said") {
  CHECK(names("auto", {}, {}) == Names{"auto"});
  CHECK(names("auto", {}, {"A"}) == Names{"auto"});
  CHECK(names("cuda", {}, {}) == Names{"cuda"});
  CHECK(names("auto", 1, {"A", "A"}) == Names{"auto"});
  CHECK(names("cuda", 1, {"A", "A"}) == Names{"cuda"});
  CHECK(names("cuda:1", {}, {"A", "A"}) == Names{"cuda:1"});
  CHECK(names("cuda:1", 1, {"A", "A"}) == Names{"cuda:1"});
  CHECK(names("cpu", {}, {"A", "A"}) == Names{"cpu"});
}

TEST_CASE("a number takes so many GPUs of one kind, or is an error") {
  CHECK(names("auto", 2, {"A", "A", "A"}) == Names{"cuda:0", "cuda:1"});
  CHECK(names("cuda", 2, {"A", "B", "A"}) == Names{"cuda:0", "cuda:2"});
  CHECK_THROWS_AS(names("auto", 3, {"A", "B", "A"}), Error);
  CHECK_THROWS_AS(names("auto", 2, {}), Error);
  CHECK_THROWS_AS(names("cuda:0", 2, {"A", "A"}), Error);
}

TEST_CASE("a job that lost GPUs goes on with those that are left") {
  const ChosenDevices two =
      choose_devices("auto", 3, machine({"A", "B", "A"}), FewerDevices::kTake);
  CHECK(two.names == Names{"cuda:0", "cuda:2"});
  REQUIRE(two.left_out.size() == 1);
  CHECK(two.left_out[0] == "of 3 GPUs like cuda:0 (A) 2 are left");
  CHECK(choose_devices("cuda", 2, machine({"A"}), FewerDevices::kTake).names == Names{"cuda:0"});
  CHECK(choose_devices("cuda", 1, machine({"A", "A"}), FewerDevices::kTake).names == Names{"cuda"});
  CHECK_THROWS_AS(choose_devices("auto", 2, machine({}), FewerDevices::kTake), Error);
}

TEST_CASE("a CPU may be several devices, but only when asked") {
  CHECK(names("cpu", 3, {}) == Names{"cpu", "cpu", "cpu"});
  CHECK(names("cpu", {}, {}) == Names{"cpu"});
}
