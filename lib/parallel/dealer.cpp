#include "lib/parallel/dealer.h"

#include <algorithm>
#include <utility>

#include "kernels/contract/kv_layout.h"

namespace eet {
namespace {

// What the engine's pages are filled with first; the beginnings that rows share are such pages.
uint64_t prefix_key(const std::vector<int32_t>& prompt) {
  if (prompt.size() < static_cast<size_t>(kPageSize)) return 0;
  uint64_t key = 1;
  for (size_t i = 0; i < static_cast<size_t>(kPageSize); ++i) {
    key = (key ^ static_cast<uint32_t>(prompt[i])) * 0x9E3779B97F4A7C15ULL;
    key ^= key >> 29;
  }
  return std::max<uint64_t>(key, 1);
}

}  // namespace

Dealer::Dealer(const DealerOptions& options)
    : options_(options),
      window_(options.num_engines * options.sort_window),
      // Enough for a group that is worth a prompt pass; a whole batch where rows start together.
      least_ahead_(static_cast<size_t>(std::max(1, options.schedule == Schedule::kStatic
                                                       ? options.max_num_seqs
                                                       : options.max_num_seqs / 8))),
      queue_(options.schedule, options.sort_window == 1 ? 1 : window_, options.max_model_len),
      hands_(options.num_engines),
      num_live_(options.num_engines),
      live_mask_(options.num_engines >= 64 ? ~uint64_t{0}
                                           : (uint64_t{1} << options.num_engines) - 1) {}

bool Dealer::can_start_all() const {
  constexpr size_t kBatches = 4;
  const size_t rows = kBatches * static_cast<size_t>(options_.max_num_seqs);
  return queue_.size() >= num_live_ * std::min(rows, options_.sort_window);
}

void Dealer::add(Request request) {
  const uint64_t prefix = prefix_key(request.prompt);
  queue_.add({.request = std::move(request), .prefix = prefix});
}

size_t Dealer::num_waiting() const {
  size_t rows = queue_.size();
  for (const Hand& hand : hands_) rows += hand.waiting;
  return rows;
}

bool Dealer::may_take(const Hand& hand) const {
  if (!hand.live) return false;
  if (hand.rows == 0) return true;
  const size_t running_rows = hand.rows - std::min(hand.rows, hand.waiting);
  const int64_t running =
      hand.samples * static_cast<int64_t>(running_rows) / static_cast<int64_t>(hand.rows);
  const int64_t free = hand.is_full ? 0 : std::max<int64_t>(0, options_.max_num_seqs - running);
  const size_t ahead = std::clamp(queue_.size() / (4 * num_live_), least_ahead_,
                                  std::max(least_ahead_, options_.sort_window));
  if (hand.waiting >= std::max(static_cast<size_t>(free), ahead)) return false;

  int64_t unfinished = queue_.num_samples();
  for (const Hand& each : hands_) unfinished += each.samples;
  return hand.samples * static_cast<int64_t>(num_live_) < unfinished;
}

WaitingRows::Holder Dealer::holder(size_t engine, uint64_t prefix) const {
  const auto found = holders_.find(prefix);
  if (found == holders_.end()) return WaitingRows::Holder::kNone;
  return (found->second >> engine & 1) != 0 ? WaitingRows::Holder::kEngine
                                            : WaitingRows::Holder::kOther;
}

std::optional<GroupRow> Dealer::next_for(size_t engine, const Accepts& accepts) {
  Hand& hand = hands_[engine];
  while (may_take(hand)) {
    std::optional<GroupRow> row =
        queue_.take(engine, [&](uint64_t prefix) { return holder(engine, prefix); });
    if (!row) break;
    std::optional<RowError> error = accepts(engine, row->request);
    if (!error) {
      give(engine, *row);
      return row;
    }
    row->refused_by |= uint64_t{1} << engine;
    if ((row->refused_by & live_mask_) == live_mask_) {
      refused_.push_back({row->request.row, std::move(*error)});
    } else {
      std::vector<GroupRow> back;
      back.push_back(std::move(*row));
      queue_.put_back(std::move(back));
    }
  }
  return std::nullopt;
}

void Dealer::give(size_t engine, const GroupRow& row) {
  Hand& hand = hands_[engine];
  ++hand.rows;
  ++hand.waiting;
  hand.samples += num_samples(row.request);
  if (row.prefix == 0) return;
  ++hand.prefixes[row.prefix];
  holders_[row.prefix] |= uint64_t{1} << engine;
}

void Dealer::release(size_t engine, uint64_t prefix) {
  const auto found = holders_.find(prefix);
  found->second &= ~(uint64_t{1} << engine);
  if (found->second == 0) holders_.erase(found);
}

void Dealer::set_waiting(size_t engine, size_t rows) {
  hands_[engine].waiting = rows;
  hands_[engine].is_full = rows > 0;
}

void Dealer::end(size_t engine, const GroupRow& row) {
  Hand& hand = hands_[engine];
  --hand.rows;
  hand.samples -= num_samples(row.request);
  if (row.prefix == 0) return;
  const auto found = hand.prefixes.find(row.prefix);
  if (--found->second > 0) return;
  hand.prefixes.erase(found);
  release(engine, row.prefix);
}

void Dealer::drop(size_t engine, std::vector<GroupRow> rows) {
  for (const auto& [prefix, count] : hands_[engine].prefixes) release(engine, prefix);
  hands_[engine] = Hand();
  hands_[engine].live = false;
  --num_live_;
  live_mask_ &= ~(uint64_t{1} << engine);
  queue_.put_back(std::move(rows));
  if (num_live_ == 0) return;
  for (const GroupRow& row : queue_.take_refused(live_mask_)) {
    refused_.push_back({row.request.row,
                        {"does_not_fit",
                         "prompt and max_tokens need more KV cache than any device has that is "
                         "left; run the row again when all of them work"}});
  }
}

}  // namespace eet
