#include "app/job/input/row_source.h"

#include <exception>
#include <new>
#include <utility>

#include "app/job/stopwatch.h"

namespace eet {
namespace {

constexpr size_t kMaxQueuedRows = 1024;
constexpr size_t kMaxQueuedBytes = size_t{256} << 20;

}  // namespace

RowSource::RowSource(RequestReader& reader, const PromptEncoder& encoder,
                     std::function<void()> on_raw_prompt)
    : reader_(reader),
      encoder_(encoder),
      on_raw_prompt_(std::move(on_raw_prompt)),
      queue_(kMaxQueuedRows, kMaxQueuedBytes) {
  thread_ = std::thread([this] {
    try {
      run();
      queue_.close();
    } catch (...) {
      queue_.fail(std::current_exception());
    }
  });
}

RowSource::~RowSource() {
  queue_.cancel();
  reader_.cancel();
  thread_.join();
}

void RowSource::encode(InputRow& row) const {
  try {
    encoder_.encode(row);
  } catch (const std::bad_alloc&) {
    row.fail(out_of_memory());
  }
}

void RowSource::notice_raw_prompt(const InputRow& row) {
  const ModelChat& chat = encoder_.chat();
  if (!on_raw_prompt_ || !row.prompt || !chat.has_template() || chat.wraps_prompts()) return;
  std::exchange(on_raw_prompt_, nullptr)();
}

void RowSource::run() {
  int64_t rows = 0;
  for (; std::optional<InputRow> row = reader_.next(); ++rows) {
    if (!row->error) {
      notice_raw_prompt(*row);
      const ScopedTimer timer(tokenize_seconds_);
      encode(*row);
    }
    const size_t bytes = row->memory_bytes();
    if (!queue_.push(std::move(*row), bytes)) return;
  }
  total_rows_ = rows;
}

}  // namespace eet
