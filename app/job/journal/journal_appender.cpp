#include "app/job/journal/journal_appender.h"

#include <algorithm>
#include <utility>

namespace eet {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;        // are written without waiting for more
constexpr size_t kMaxPendingBytes = size_t{64} << 20;  // more make the caller wait
constexpr std::chrono::milliseconds kMaxDelay(20);     // from append() to write

}  // namespace

JournalAppender::JournalAppender(JournalStorage& storage, uint64_t offset, SyncPolicy policy)
    : storage_(storage), policy_(policy), offset_(offset) {
  thread_ = std::thread([this] { run(); });
}

JournalAppender::~JournalAppender() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_thread_.notify_one();
  thread_.join();
}

void JournalAppender::append(std::string& records, uint64_t rows) {
  std::unique_lock lock(mutex_);
  wake_caller_.wait(lock, [&] { return error_ || pending_.size() < kMaxPendingBytes; });
  if (error_) std::rethrow_exception(error_);
  const bool was_urgent = urgent();
  const bool was_empty = pending_.empty();
  if (was_empty) {
    pending_since_ = Clock::now();
    pending_.swap(records);
  } else {
    pending_ += records;
    records.clear();
  }
  pending_rows_ += rows;
  if (was_empty || urgent() != was_urgent) wake_thread_.notify_one();
}

void JournalAppender::sync() {
  std::unique_lock lock(mutex_);
  sync_wanted_ = true;
  wake_thread_.notify_one();
  wake_caller_.wait(lock, [&] { return error_ || !sync_wanted_; });
  if (error_) std::rethrow_exception(error_);
}

bool JournalAppender::urgent() const {
  return stopping_ || sync_wanted_ || pending_.size() >= kWriteBytes;
}

JournalAppender::Clock::time_point JournalAppender::next_deadline() const {
  Clock::time_point deadline = Clock::now() + std::chrono::hours(1);
  if (!pending_.empty()) deadline = std::min(deadline, pending_since_ + kMaxDelay);
  if (unsynced_rows_ > 0) {
    deadline =
        std::min(deadline, unsynced_since_ + std::chrono::ceil<Clock::duration>(policy_.seconds));
  }
  return deadline;
}

void JournalAppender::run() {
  std::unique_lock lock(mutex_);
  try {
    while (true) {
      // New data bring a new deadline.
      const bool was_empty = pending_.empty();
      wake_thread_.wait_until(lock, next_deadline(),
                              [&] { return urgent() || (was_empty && !pending_.empty()); });
      if (stopping_) return;
      const bool sync_now = sync_wanted_;
      if (urgent() || Clock::now() >= pending_since_ + kMaxDelay) write_pending(lock);
      if (sync_now || unsynced_rows_ >= policy_.rows ||
          (unsynced_rows_ > 0 && Clock::now() >= unsynced_since_ + policy_.seconds)) {
        sync_written(lock);
      }
      if (sync_now) sync_wanted_ = false;
      wake_caller_.notify_one();
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    error_ = std::current_exception();
    wake_caller_.notify_one();
  }
}

void JournalAppender::write_pending(std::unique_lock<std::mutex>& lock) {
  if (pending_.empty()) return;
  writing_.clear();
  writing_.swap(pending_);
  const uint64_t rows = std::exchange(pending_rows_, 0);
  lock.unlock();
  storage_.write(offset_, writing_);
  lock.lock();
  offset_ += writing_.size();
  if (unsynced_rows_ == 0) unsynced_since_ = Clock::now();
  unsynced_rows_ += rows;
}

void JournalAppender::sync_written(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  storage_.sync();
  lock.lock();
  unsynced_rows_ = 0;
}

}  // namespace eet
