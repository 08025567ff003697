#include "app/job/input/decompressor.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <limits>
#include <new>

namespace eet {
namespace {

// Zero bytes at the front of `data`: padding that may follow a member of gzip or a stream of xz.
size_t padding_of(std::span<const char> data) {
  return static_cast<size_t>(std::ranges::find_if(data, [](char c) { return c != 0; }) -
                             data.begin());
}

class GzipDecompressor : public Decompressor {
 public:
  GzipDecompressor() {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~GzipDecompressor() override { inflateEnd(&stream_); }
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;

  Step step(std::span<const char> in, std::span<char> out) override {
    if (at_end_) {
      const size_t padding = padding_of(in);
      if (padding == in.size() || padding > 0) return {padding, 0};
      inflateReset(&stream_);  // the next member
      at_end_ = false;
    }
    constexpr size_t kMaxBytes = std::numeric_limits<uInt>::max();
    const auto in_bytes = static_cast<uInt>(std::min(in.size(), kMaxBytes));
    const auto out_bytes = static_cast<uInt>(std::min(out.size(), kMaxBytes));
    // zlib only reads what next_in points to; its type is from before const.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = in_bytes;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = out_bytes;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    at_end_ = status == Z_STREAM_END;
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    // Z_BUF_ERROR: nothing could be done with what is there, so far.
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      throw CorruptData(stream_.msg != nullptr ? stream_.msg : "not what gzip writes");
    }
    return {in_bytes - stream_.avail_in, out_bytes - stream_.avail_out};
  }

  bool at_end_of_frame() const override { return at_end_; }

 private:
  z_stream stream_ = {};
  bool at_end_ = false;
};

class XzDecompressor : public Decompressor {
 public:
  XzDecompressor() { begin_stream(); }
  ~XzDecompressor() override { lzma_end(&stream_); }
  XzDecompressor(const XzDecompressor&) = delete;
  XzDecompressor& operator=(const XzDecompressor&) = delete;

  Step step(std::span<const char> in, std::span<char> out) override {
    if (at_end_) {
      const size_t padding = padding_of(in);
      if (padding == in.size() || padding > 0) return {padding, 0};
      begin_stream();
    }
    stream_.next_in = reinterpret_cast<const uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret status = lzma_code(&stream_, LZMA_RUN);
    at_end_ = status == LZMA_STREAM_END;
    if (status == LZMA_MEM_ERROR) throw std::bad_alloc();
    if (status == LZMA_MEMLIMIT_ERROR) throw CorruptData("its window is larger than 2 GiB");
    // LZMA_BUF_ERROR: nothing could be done with what is there, so far.
    if (status != LZMA_OK && status != LZMA_STREAM_END && status != LZMA_BUF_ERROR) {
      throw CorruptData("not what xz writes");
    }
    return {in.size() - stream_.avail_in, out.size() - stream_.avail_out};
  }

  bool at_end_of_frame() const override { return at_end_; }

 private:
  void begin_stream() {
    constexpr uint64_t kMaxMemoryBytes = (uint64_t{2} << 30) + (uint64_t{64} << 20);
    if (lzma_stream_decoder(&stream_, kMaxMemoryBytes, /*flags=*/0) != LZMA_OK) {
      throw std::bad_alloc();
    }
    at_end_ = false;
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool at_end_ = false;
};

class ZstdDecompressor : public Decompressor {
 public:
  ZstdDecompressor() : context_(ZSTD_createDCtx()) {
    if (!context_) throw std::bad_alloc();
    // As long as `zstd --long=31` writes; the default is 2^27 bytes.
    const ZSTD_bounds window = ZSTD_dParam_getBounds(ZSTD_d_windowLogMax);
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, window.upperBound);
  }

  Step step(std::span<const char> in, std::span<char> out) override {
    if (at_end_ && in.empty()) return {};
    ZSTD_inBuffer input = {in.data(), in.size(), 0};
    ZSTD_outBuffer output = {out.data(), out.size(), 0};
    const size_t status = ZSTD_decompressStream(context_.get(), &output, &input);
    if (ZSTD_getErrorCode(status) == ZSTD_error_memory_allocation) throw std::bad_alloc();
    if (ZSTD_isError(status) != 0) throw CorruptData(ZSTD_getErrorName(status));
    at_end_ = status == 0;  // a frame is complete and handed out
    return {input.pos, output.pos};
  }

  bool at_end_of_frame() const override { return at_end_; }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  bool at_end_ = false;
};

}  // namespace

std::unique_ptr<Decompressor> make_decompressor(Compression compression) {
  if (compression == Compression::kGzip) return std::make_unique<GzipDecompressor>();
  if (compression == Compression::kXz) return std::make_unique<XzDecompressor>();
  return std::make_unique<ZstdDecompressor>();
}

}  // namespace eet
