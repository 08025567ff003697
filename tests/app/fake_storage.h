// A disk that a test can fill up, break, and cut off from power.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>

#include "app/job/journal/journal_storage.h"
#include "lib/core/error.h"

namespace eet {

struct FakeDisk {
  std::mutex mutex;                                      // guards all below
  std::string bytes;                                     // of the file, as the program reads it
  std::string synced;                                    // what survives a loss of power for sure
  size_t capacity = std::numeric_limits<size_t>::max();  // writes beyond it stop half-way
  bool sync_fails = false;
  bool removed = false;
};

class FakeStorage : public JournalStorage {
 public:
  explicit FakeStorage(std::shared_ptr<FakeDisk> disk) : disk_(std::move(disk)) {}

  const std::string& name() const override { return name_; }
  uint64_t size() const override {
    const std::lock_guard lock(disk_->mutex);
    return disk_->bytes.size();
  }
  size_t read(uint64_t offset, std::span<char> out) const override {
    const std::lock_guard lock(disk_->mutex);
    if (offset >= disk_->bytes.size()) return 0;
    return disk_->bytes.copy(out.data(), out.size(), offset);
  }
  void write(uint64_t offset, std::string_view data) override {
    const std::lock_guard lock(disk_->mutex);
    const size_t room = disk_->capacity - std::min<size_t>(disk_->capacity, offset);
    const std::string_view fits = data.substr(0, room);
    if (offset + fits.size() > disk_->bytes.size()) disk_->bytes.resize(offset + fits.size());
    disk_->bytes.replace(offset, fits.size(), fits);
    require(fits.size() == data.size(), name_, ": No space left on device");
  }
  void truncate(uint64_t size) override {
    const std::lock_guard lock(disk_->mutex);
    disk_->bytes.resize(size);
  }
  void sync() override {
    const std::lock_guard lock(disk_->mutex);
    require(!disk_->sync_fails, name_, ": Input/output error");
    disk_->synced = disk_->bytes;
  }
  bool in_place() const override { return true; }
  void remove() override { disk_->removed = true; }

 private:
  std::string name_ = "disk";
  std::shared_ptr<FakeDisk> disk_;
};

// What may be found after a loss of power: what was synced, and of the blocks written since some
// old, some new, some of zeros, and the last one torn.
inline std::string after_power_loss(const FakeDisk& disk, std::mt19937& random) {
  constexpr size_t kBlock = 512;
  std::string left = disk.synced;
  const size_t length = left.size() + random() % (disk.bytes.size() - left.size() + 1);
  left.resize(length);
  for (size_t begin = disk.synced.size(); begin < length; begin += kBlock) {
    if (random() % 4 == 0) continue;  // never written: zeros
    const size_t count = std::min(kBlock, length - begin);
    left.replace(begin, count, disk.bytes, begin, count);
  }
  return left;
}

}  // namespace eet
