// Writes the journal behind the job's back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "app/job/journal/journal_storage.h"

namespace eet {

// After how many finished rows, or after what time, a loss of power costs none of them.
struct SyncPolicy {
  uint64_t rows = 10'000;
  std::chrono::duration<double> seconds{1.0};
};

// Appends to a storage on a thread of its own: the engine never waits for a disk, unless that falls
// far behind. What is handed over is written within some milliseconds, after which the program may
// be killed, and made durable as the policy says, after which the power may fail.
class JournalAppender {
 public:
  // `storage` is written from `offset` on, and only by the appender until that is destroyed.
  JournalAppender(JournalStorage& storage, uint64_t offset, SyncPolicy policy);
  ~JournalAppender();  // gives up what is not yet written
  JournalAppender(const JournalAppender&) = delete;
  JournalAppender& operator=(const JournalAppender&) = delete;

  // Takes `rows` records, and empties `records`. Throws what made an earlier write fail; nothing is
  // written after a failure, since what a failed sync left behind is unknown.
  void append(std::string& records, uint64_t rows);

  // Returns once all is durable, or throws.
  void sync();

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  bool urgent() const;
  Clock::time_point next_deadline() const;
  void write_pending(std::unique_lock<std::mutex>& lock);
  void sync_written(std::unique_lock<std::mutex>& lock);

  JournalStorage& storage_;
  const SyncPolicy policy_;

  // Of the thread alone.
  uint64_t offset_;
  std::string writing_;
  uint64_t unsynced_rows_ = 0;
  Clock::time_point unsynced_since_;

  std::mutex mutex_;  // guards all below
  std::condition_variable wake_thread_;
  std::condition_variable wake_caller_;
  std::string pending_;
  uint64_t pending_rows_ = 0;
  Clock::time_point pending_since_;
  bool sync_wanted_ = false;
  bool stopping_ = false;
  std::exception_ptr error_;

  std::thread thread_;
};

}  // namespace eet
