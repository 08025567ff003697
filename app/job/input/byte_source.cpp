#include "app/job/input/byte_source.h"

#include <algorithm>
#include <new>
#include <string_view>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 16;

}  // namespace

ByteSource::ByteSource(const std::string& path)
    : file_(path), compression_(compression_of_name(path)) {}

// Reading the first bytes may wait for a pipe, so it is not the constructor's business.
void ByteSource::start() {
  started_ = true;
  piece_.resize(kPieceBytes);
  size_t have = 0;
  while (have < kMagicBytes) {
    const size_t got = file_.read(std::span(piece_).subspan(have));
    if (got == 0) break;
    have += got;
  }
  held_ = std::span(piece_).first(have);
  if (compression_ == Compression::kNone) {
    compression_ = compression_of_data({held_.data(), held_.size()});
  }
  if (compression_ != Compression::kNone) decompressor_ = make_decompressor(compression_);
}

bool ByteSource::fill() {
  held_ = std::span(piece_).first(file_.read(piece_));
  return !held_.empty();
}

size_t ByteSource::take_held(std::span<char> out) {
  const size_t count = std::min(out.size(), held_.size());
  std::copy_n(held_.begin(), count, out.begin());
  held_ = held_.subspan(count);
  return count;
}

size_t ByteSource::decompress(std::span<char> out) {
  const char* const format = compression_name(compression_);
  while (true) {
    Decompressor::Step step;
    try {
      step = decompressor_->step(held_, out);
    } catch (const CorruptData& error) {
      throw Error(concat(file_.name(), ": bad ", format, " data near byte ", used_bytes_ + 0, ": ",
                         error.what(), "; make or fetch the file again"));
    } catch (const std::bad_alloc&) {
      throw Error(concat(file_.name(), ": not enough memory to decompress it: ", format,
                         " data may ask for a window of up to 2 GiB; allow more memory (ulimit -v, "
                         "the limit of a container), or decompress the file first"));
    }
    held_ = held_.subspan(step.consumed);
    used_bytes_ += static_cast<int64_t>(step.consumed);
    produced_bytes_ += static_cast<int64_t>(step.produced);
    if (step.produced > 0) return step.produced;
    if (!held_.empty() || fill()) continue;
    require(decompressor_->at_end_of_frame() || file_.cancelled(), file_.name(), ": the ", format,
            " data end too early, at byte ", used_bytes_ + 0, "; make or fetch the file again");
    return 0;
  }
}

void ByteSource::look_for_utf16() {
  constexpr size_t kMarkBytes = 4;
  decoded_.resize(kMarkBytes);
  size_t have = 0;
  while (have < kMarkBytes) {
    const size_t got = read_next(std::span(decoded_).subspan(have));
    if (got == 0) break;
    have += got;
  }
  decoded_.resize(have);
  using namespace std::string_view_literals;
  require(!decoded_.starts_with("\xFF\xFE\0\0"sv) && !decoded_.starts_with("\0\0\xFE\xFF"sv),
          file_.name(), ": expected UTF-8 or UTF-16, got UTF-32: convert it to UTF-8");
  const bool big_endian = decoded_.starts_with("\xFE\xFF");
  if (!big_endian && !decoded_.starts_with("\xFF\xFE")) return;
  utf16_.emplace(big_endian);
  const std::string behind_mark = decoded_.substr(2);
  decoded_.clear();
  utf16_->push(behind_mark, decoded_);
}

size_t ByteSource::read_utf16(std::span<char> out) {
  std::vector<char> units(kPieceBytes);
  while (decoded_.empty()) {
    const size_t got = read_next(units);
    if (got == 0) utf16_->finish(decoded_);
    if (got == 0 && decoded_.empty()) return 0;
    utf16_->push({units.data(), got}, decoded_);
  }
  const size_t count = std::min(out.size(), decoded_.size());
  std::copy_n(decoded_.begin(), count, out.begin());
  decoded_.erase(0, count);
  return count;
}

size_t ByteSource::read(std::span<char> out) {
  if (!started_) {
    start();
    look_for_utf16();
  }
  size_t got = 0;
  if (utf16_) {
    got = read_utf16(out);
  } else if (!decoded_.empty()) {
    got = std::min(out.size(), decoded_.size());
    std::copy_n(decoded_.begin(), got, out.begin());
    decoded_.erase(0, got);
  } else {
    got = read_next(out);
  }
  hash_.add(out.first(got));
  return got;
}

size_t ByteSource::read_next(std::span<char> out) {
  if (decompressor_) return decompress(out);
  return held_.empty() ? file_.read(out) : take_held(out);
}

std::optional<int64_t> ByteSource::total_bytes() const {
  const int64_t used = used_bytes_;
  if (used == 0 || !file_.size()) return file_.size();
  const double ratio = static_cast<double>(produced_bytes_) / static_cast<double>(used);
  return static_cast<int64_t>(ratio * static_cast<double>(*file_.size()));
}

}  // namespace eet
