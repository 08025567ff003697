#include "lib/parallel/engine_group.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "lib/core/error.h"
#include "lib/parallel/dealer.h"
#include "lib/parallel/dealt_rows.h"

namespace eet {
namespace {

// Tokens that may wait for the caller before the engines wait for it.
constexpr size_t kMaxOutputs = size_t{1} << 16;

// How long step() waits for tokens: the caller may have new rows meanwhile.
constexpr std::chrono::milliseconds kPatience(10);

// As one of several engines' check() would say it to a thread that goes on.
std::optional<RowError> why_refused(const Generator& engine, const Request& request) {
  try {
    return engine.check(request);
  } catch (const Error& error) {
    return RowError{"does_not_fit", error.what()};
  }
}

}  // namespace

struct EngineGroup::Impl {
  // An engine with its thread.
  struct Worker {
    // Of the thread alone.
    std::deque<GroupRow> arriving;  // from the inbox
    DealtRows rows;
    DealtRows::Taken taken;

    // Made and destroyed by the thread; check() may be called by any.
    std::unique_ptr<Generator> engine;

    // Under the mutex.
    std::deque<GroupRow> inbox;
    std::vector<std::pair<uint64_t, int32_t>> stops;
    bool is_made = false;
    bool is_live = true;
    bool is_idle = true;
    std::exception_ptr error;  // why it could not be made
    EngineReport report;       // as when it was idle last, or failed
    std::condition_variable woken;

    std::thread thread;
  };

  explicit Impl(const Options& opts) : options(opts), workers(opts.num_engines) {}
  ~Impl();

  void run(size_t index, const Factory& factory);
  void work(size_t index);
  bool wait_for_work(size_t index, bool busy, DealtRows::Taken& stops);
  void hand_over(size_t index, bool busy, const EngineReport& report);
  void drop(size_t index, const std::string& reason);
  void end_all(std::exception_ptr reason);
  bool deal(size_t index, size_t max_rows);
  void deal_to_all();
  bool all_idle() const;
  bool has_work() const;
  void start(const Factory& factory);
  void open();
  void warn(const std::string& message) const {
    if (options.warn) options.warn(message);
  }
  const Generator& any_engine() const;
  uint64_t live_engines() const;

  const Options options;
  std::vector<Worker> workers;
  std::optional<Dealer> dealer;  // once the engines are made

  mutable std::mutex mutex;
  std::condition_variable progress;  // for the caller's thread
  bool stopping = false;
  size_t num_live = 0;
  std::vector<TokenOutput> ready;                // for the caller
  std::unordered_map<uint64_t, size_t> engines;  // of the rows that were dealt
  std::vector<std::string> messages;             // of engines that failed
  std::string last_failure;
  std::exception_ptr fatal;  // why no engine can go on, or rows are lost

  std::vector<TokenOutput> outputs;  // of the caller's thread
};

// The thread of an engine.
void EngineGroup::Impl::run(size_t index, const Factory& factory) {
  Worker& worker = workers[index];
  try {
    worker.engine = factory(index);
    EngineReport report = worker.engine->reports().front();
    const std::lock_guard lock(mutex);
    worker.report = std::move(report);
  } catch (...) {
    worker.engine.reset();
    const std::lock_guard lock(mutex);
    worker.error = std::current_exception();
    worker.is_live = false;
  }
  bool is_open = false;  // not where the engines cannot be a group
  {
    std::unique_lock lock(mutex);
    worker.is_made = true;
    progress.notify_one();
    worker.woken.wait(lock, [&] { return dealer.has_value() || stopping; });
    is_open = dealer.has_value();
  }
  if (!worker.engine) return;
  try {
    try {
      if (is_open) work(index);
    } catch (const DeviceFault&) {
      throw;
    } catch (const std::exception& error) {
      if (says_device_fault(error)) {
        throw DeviceFault(concat(worker.report.name, " failed: ", error.what()));
      }
      drop(index, error.what());
    }
  } catch (...) {
    end_all(std::current_exception());
  }
  std::unique_lock lock(mutex);
  worker.woken.wait(lock, [&] { return stopping; });
  lock.unlock();
  worker.engine.reset();
}

void EngineGroup::Impl::work(size_t index) {
  Worker& worker = workers[index];
  Generator& engine = *worker.engine;
  EngineReport report = worker.report;
  DealtRows::Taken& taken = worker.taken;
  for (bool busy = false; wait_for_work(index, busy, taken);) {
    for (const auto& [row, sample] : std::exchange(taken.stops, {})) engine.stop(row, sample);
    if (engine.has_work()) worker.rows.take(engine.step(), taken);
    for (const auto& [row, sample] : std::exchange(taken.stops, {})) engine.stop(row, sample);
    busy = engine.has_work();
    if (!busy) report = engine.reports().front();
    hand_over(index, busy, report);
  }
}

// Takes the rows and stops that there are, and waits for some where the engine has nothing to do.
// False when the group ends.
bool EngineGroup::Impl::wait_for_work(size_t index, bool busy, DealtRows::Taken& stops) {
  Worker& worker = workers[index];
  {
    std::unique_lock lock(mutex);
    deal(index, SIZE_MAX);
    worker.woken.wait(lock, [&] {
      const bool may_step = busy && ready.size() < kMaxOutputs;
      return stopping || fatal || may_step || !worker.inbox.empty() || !worker.stops.empty();
    });
    if (stopping || fatal) return false;
    worker.is_idle = false;
    worker.arriving.swap(worker.inbox);
    for (const auto& [row, sample] : std::exchange(worker.stops, {})) {
      worker.rows.stop(row, sample, stops);
    }
  }
  // Every row is either arriving or among the rows, whatever throws.
  while (!worker.arriving.empty()) {
    Request request = worker.arriving.front().request;
    worker.rows.add(std::move(worker.arriving.front()));
    worker.arriving.pop_front();
    worker.engine->add_request(std::move(request));
  }
  return true;
}

// Gives the caller what has come of a step.
void EngineGroup::Impl::hand_over(size_t index, bool busy, const EngineReport& report) {
  Worker& worker = workers[index];
  const size_t waiting = worker.engine->num_waiting();
  const std::lock_guard lock(mutex);
  if (fatal) return;  // what an engine still gives after a fault is worth nothing
  DealtRows::Taken& taken = worker.taken;
  ready.insert(ready.end(), std::make_move_iterator(taken.outputs.begin()),
               std::make_move_iterator(taken.outputs.end()));
  taken.outputs.clear();
  for (const GroupRow& row : taken.ended) {
    dealer->end(index, row);
    engines.erase(row.request.row);
  }
  taken.ended.clear();
  dealer->set_waiting(index, waiting + worker.inbox.size());
  worker.is_idle = !busy && worker.inbox.empty();
  if (!busy) worker.report = report;
  if (!ready.empty() || worker.is_idle) progress.notify_one();
}

// An engine that fails leaves its unfinished rows to the others.
void EngineGroup::Impl::drop(size_t index, const std::string& reason) {
  Worker& worker = workers[index];
  const EngineStats stats = worker.engine->stats();
  hand_over(index, /*busy=*/true, worker.report);
  std::vector<GroupRow> rows = worker.rows.take_unfinished();
  const std::lock_guard lock(mutex);
  for (std::deque<GroupRow>* more : {&worker.arriving, &worker.inbox}) {
    std::move(more->begin(), more->end(), std::back_inserter(rows));
    more->clear();
  }
  for (const GroupRow& row : rows) engines.erase(row.request.row);
  const size_t num_rows = rows.size();
  dealer->drop(index, std::move(rows));
  for (const auto& [row, sample] : std::exchange(worker.stops, {})) dealer->stop(row, sample);
  worker.is_live = false;
  worker.is_idle = true;
  worker.report.stats = stats;
  worker.report.failure = reason;
  --num_live;
  last_failure =
      concat(worker.report.name, " (", worker.report.device, ") failed in mid-job: ", reason);
  if (num_live > 0) {
    messages.push_back(concat(last_failure, "; ", num_live, " of ", workers.size(),
                              " devices go on, with its ", num_rows, " unfinished rows"));
  }
  progress.notify_one();
}

// The first reason counts: a device's fault soon is that of all others.
void EngineGroup::Impl::end_all(std::exception_ptr reason) {
  const std::lock_guard lock(mutex);
  if (!fatal) fatal = std::move(reason);
  for (Worker& worker : workers) worker.woken.notify_one();
  progress.notify_one();
}

// Adds to an engine's inbox what it may have, but no more than `max_rows`; false for nothing.
bool EngineGroup::Impl::deal(size_t index, size_t max_rows) {
  Worker& worker = workers[index];
  const auto accepts = [this](size_t engine, const Request& request) {
    return why_refused(*workers[engine].engine, request);
  };
  size_t dealt = 0;
  while (dealt < max_rows) {
    std::optional<GroupRow> row = dealer->next_for(index, accepts);
    if (!row) break;
    engines[row->request.row] = index;
    worker.inbox.push_back(std::move(*row));
    ++dealt;
  }
  for (Dealer::Refused& refused : dealer->take_refused()) {
    ready.push_back(failed_output(refused.row, 0, std::move(refused.error)));
    progress.notify_one();
  }
  return dealt > 0;
}

// One row at a time, so that all get rows of the same length.
void EngineGroup::Impl::deal_to_all() {
  for (bool dealt = true; dealt;) {
    dealt = false;
    for (size_t i = 0; i < workers.size(); ++i) dealt |= deal(i, 1);
  }
  for (Worker& worker : workers) {
    if (!worker.inbox.empty()) worker.woken.notify_one();
  }
}

bool EngineGroup::Impl::all_idle() const {
  return std::all_of(workers.begin(), workers.end(),
                     [](const Worker& w) { return w.is_idle && w.inbox.empty(); });
}

bool EngineGroup::Impl::has_work() const {
  return !ready.empty() || dealer->has_waiting_rows() || fatal || !all_idle();
}

void EngineGroup::Impl::start(const Factory& factory) {
  for (size_t i = 0; i < workers.size(); ++i) {
    workers[i].thread = std::thread([this, i, &factory] { run(i, factory); });
  }
  std::unique_lock lock(mutex);
  progress.wait(lock, [&] {
    return std::all_of(workers.begin(), workers.end(), [](const Worker& w) { return w.is_made; });
  });
}

// The engines that could be made are the group.
void EngineGroup::Impl::open() {
  std::vector<std::string> left_out;
  std::exception_ptr first_error;
  const EngineReport* first = nullptr;
  for (const Worker& worker : workers) {
    if (worker.engine) {
      if (first == nullptr) first = &worker.report;
      require(worker.report.kind == first->kind, worker.report.name, " (", worker.report.kind,
              ") is of another kind than ", first->name, " (", first->kind,
              "): rows would depend on which of them runs them");
      continue;
    }
    if (!first_error) first_error = worker.error;
    try {
      std::rethrow_exception(worker.error);
    } catch (const std::exception& error) {
      left_out.push_back(concat("left out: ", error.what()));
    }
  }
  if (first_error && (first == nullptr || !options.may_leave_out)) {
    std::rethrow_exception(first_error);
  }
  for (const std::string& message : left_out) warn(message);

  const Generator& engine = any_engine();
  const std::lock_guard lock(mutex);
  dealer.emplace(DealerOptions{.num_engines = workers.size(),
                               .max_num_seqs = engine.max_num_seqs(),
                               .sort_window = engine.sort_window(),
                               .max_model_len = engine.max_model_len(),
                               .schedule = options.schedule});
  for (size_t i = 0; i < workers.size(); ++i) {
    if (workers[i].is_live) {
      ++num_live;
    } else {
      dealer->drop(i, {});
    }
    workers[i].woken.notify_one();
  }
}

const Generator& EngineGroup::Impl::any_engine() const {
  return *std::find_if(workers.begin(), workers.end(), [](const Worker& w) {
            return w.engine != nullptr;
          })->engine;
}

// As bits.
uint64_t EngineGroup::Impl::live_engines() const {
  const std::lock_guard lock(mutex);
  uint64_t live = 0;
  for (size_t i = 0; i < workers.size(); ++i) live |= uint64_t{workers[i].is_live} << i;
  return live;
}

EngineGroup::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    for (Worker& worker : workers) worker.woken.notify_one();
  }
  for (Worker& worker : workers) {
    if (worker.thread.joinable()) worker.thread.join();
  }
}

EngineGroup::EngineGroup(const Factory& factory, const Options& options) {
  require(options.num_engines >= 1 && options.num_engines <= kMaxEngines,
          "data parallel size: expected 1 to ", kMaxEngines, ", got ", options.num_engines);
  impl_ = std::make_unique<Impl>(options);
  impl_->start(factory);
  impl_->open();
}

EngineGroup::~EngineGroup() = default;

std::optional<RowError> EngineGroup::check(const Request& request) const {
  std::optional<RowError> refused;
  std::exception_ptr error;
  const uint64_t live = impl_->live_engines();
  for (size_t i = 0; i < impl_->workers.size(); ++i) {
    if ((live >> i & 1) == 0) continue;
    try {
      std::optional<RowError> reason = impl_->workers[i].engine->check(request);
      if (!reason) return std::nullopt;
      if (!refused) refused = std::move(reason);
    } catch (const Error&) {
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
  return refused;
}

void EngineGroup::add_request(Request request) {
  const std::lock_guard lock(impl_->mutex);
  impl_->dealer->add(std::move(request));
  // The window of many engines takes a while to fill.
  if (impl_->all_idle() && impl_->dealer->can_start_all()) impl_->deal_to_all();
}

size_t EngineGroup::num_waiting() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->dealer->num_waiting();
}

size_t EngineGroup::sort_window() const {
  return impl_->dealer->sort_window();
}

bool EngineGroup::has_work() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->has_work();
}

std::span<const TokenOutput> EngineGroup::step() {
  Impl& group = *impl_;
  std::vector<std::string> messages;
  std::exception_ptr end;  // why nothing more is to come
  group.outputs.clear();
  {
    std::unique_lock lock(group.mutex);
    group.deal_to_all();
    group.progress.wait_for(lock, kPatience, [&] {
      return !group.ready.empty() || group.fatal || group.num_live == 0 || !group.has_work();
    });
    const bool engines_wait = group.ready.size() >= kMaxOutputs;
    group.outputs.swap(group.ready);
    if (engines_wait) {
      for (Impl::Worker& worker : group.workers) worker.woken.notify_one();
    }
    messages.swap(group.messages);
    if (group.outputs.empty() && group.fatal) {
      end = group.fatal;
    } else if (group.outputs.empty() && group.num_live == 0 && group.has_work()) {
      end = std::make_exception_ptr(Error(group.last_failure));
    }
  }
  for (const std::string& message : messages) group.warn(message);
  if (end) std::rethrow_exception(end);
  return group.outputs;
}

void EngineGroup::stop(uint64_t row, int32_t sample) {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->engines.find(row);
  if (found == impl_->engines.end()) {
    impl_->dealer->stop(row, sample);
    return;
  }
  Impl::Worker& worker = impl_->workers[found->second];
  worker.stops.emplace_back(row, sample);
  worker.woken.notify_one();
}

int64_t EngineGroup::max_model_len() const {
  return impl_->any_engine().max_model_len();
}

int EngineGroup::max_num_seqs() const {
  return impl_->any_engine().max_num_seqs();
}

DType EngineGroup::dtype() const {
  return impl_->any_engine().dtype();
}

EngineStats EngineGroup::stats() const {
  std::vector<EngineStats> all;
  for (EngineReport& report : reports()) all.push_back(std::move(report.stats));
  return together(all);
}

std::vector<EngineReport> EngineGroup::reports() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<EngineReport> all;
  for (const Impl::Worker& worker : impl_->workers) {
    if (worker.engine) all.push_back(worker.report);
  }
  return all;
}

}  // namespace eet
