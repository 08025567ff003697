// A queue between two stages of the job, bounded in items and in bytes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace eet {

// One producer and one consumer. The producer ends the stream with close(), or with fail() when an
// exception stopped it; the consumer that wants no more calls cancel(), which wakes the producer.
template <typename T>
class BoundedQueue {
 public:
  BoundedQueue(size_t max_items, size_t max_bytes) : max_items_(max_items), max_bytes_(max_bytes) {}

  // Waits for room: fewer than max_items, and together with `item` at most max_bytes. An item
  // larger than max_bytes still passes, alone. False when the consumer has cancelled.
  bool push(T item, size_t bytes) {
    std::unique_lock lock(mutex_);
    has_room_.wait(lock, [&] {
      return cancelled_ || items_.empty() ||
             (items_.size() < max_items_ && bytes_ + bytes <= max_bytes_);
    });
    if (cancelled_) return false;
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    has_items_.notify_one();
    return true;
  }

  void close() { finish(nullptr); }
  void fail(std::exception_ptr error) { finish(std::move(error)); }

  // The next item; nothing at the end of the stream. Rethrows the producer's exception once the
  // items before it are taken.
  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    has_items_.wait(lock, [&] { return !items_.empty() || closed_; });
    return take();
  }

  // As pop(), but waits no longer than `patience`: nothing also when no item has come by then.
  std::optional<T> pop_within(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    has_items_.wait_for(lock, patience, [&] { return !items_.empty() || closed_; });
    return take();
  }

  void cancel() {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    has_room_.notify_all();
  }

 private:
  void finish(std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    closed_ = true;
    error_ = std::move(error);
    has_items_.notify_all();
  }

  std::optional<T> take() {  // with mutex_ held
    if (items_.empty()) {
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      return std::nullopt;
    }
    auto [item, bytes] = std::move(items_.front());
    items_.pop_front();
    bytes_ -= bytes;
    has_room_.notify_one();
    return std::move(item);
  }

  const size_t max_items_;
  const size_t max_bytes_;
  std::mutex mutex_;
  std::condition_variable has_room_;
  std::condition_variable has_items_;
  std::deque<std::pair<T, size_t>> items_;
  size_t bytes_ = 0;
  bool closed_ = false;
  bool cancelled_ = false;
  std::exception_ptr error_;
};

}  // namespace eet
