#include "app/job/output/byte_sink.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "lib/core/error.h"

namespace eet {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 18;

class PlainSink : public ByteSink {
 public:
  explicit PlainSink(WriteBytes write_bytes) : write_bytes_(std::move(write_bytes)) {}
  void write(std::string_view data) override { write_bytes_(data); }
  void finish() override {}

 private:
  WriteBytes write_bytes_;
};

class GzipSink : public ByteSink {
 public:
  explicit GzipSink(WriteBytes write_bytes)
      : write_bytes_(std::move(write_bytes)), piece_(kPieceBytes) {
    constexpr int kGzip = 16;
    constexpr int kMemLevel = 8;  // zlib's default
    if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, kMemLevel,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~GzipSink() override { deflateEnd(&stream_); }
  GzipSink(const GzipSink&) = delete;
  GzipSink& operator=(const GzipSink&) = delete;

  void write(std::string_view data) override {
    while (!data.empty()) {
      const size_t count = std::min<size_t>(data.size(), std::numeric_limits<uInt>::max());
      // zlib only reads what next_in points to; its type is from before const.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
      stream_.avail_in = static_cast<uInt>(count);
      run(Z_NO_FLUSH);
      data.remove_prefix(count);
    }
  }

  void finish() override {
    stream_.avail_in = 0;
    run(Z_FINISH);
  }

 private:
  // Until zlib leaves room in the piece, it has more to give.
  void run(int flush) {
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(piece_.data());
      stream_.avail_out = static_cast<uInt>(piece_.size());
      deflate(&stream_, flush);
      write_bytes_({piece_.data(), piece_.size() - stream_.avail_out});
    } while (stream_.avail_out == 0);
  }

  WriteBytes write_bytes_;
  std::vector<char> piece_;
  z_stream stream_ = {};
};

class XzSink : public ByteSink {
 public:
  explicit XzSink(WriteBytes write_bytes)
      : write_bytes_(std::move(write_bytes)), piece_(kPieceBytes) {
    if (lzma_easy_encoder(&stream_, LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC64) != LZMA_OK) {
      throw std::bad_alloc();
    }
  }
  ~XzSink() override { lzma_end(&stream_); }
  XzSink(const XzSink&) = delete;
  XzSink& operator=(const XzSink&) = delete;

  void write(std::string_view data) override {
    stream_.next_in = reinterpret_cast<const uint8_t*>(data.data());
    stream_.avail_in = data.size();
    run(LZMA_RUN);
  }

  void finish() override {
    stream_.avail_in = 0;
    run(LZMA_FINISH);
  }

 private:
  // Until lzma leaves room in the piece, it has more to give.
  void run(lzma_action action) {
    do {
      stream_.next_out = reinterpret_cast<uint8_t*>(piece_.data());
      stream_.avail_out = piece_.size();
      const lzma_ret status = lzma_code(&stream_, action);
      require(status == LZMA_OK || status == LZMA_STREAM_END || status == LZMA_BUF_ERROR,
              "cannot compress: lzma error ", static_cast<int>(status));
      write_bytes_({piece_.data(), piece_.size() - stream_.avail_out});
    } while (stream_.avail_out == 0 || stream_.avail_in > 0);
  }

  WriteBytes write_bytes_;
  std::vector<char> piece_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class ZstdSink : public ByteSink {
 public:
  explicit ZstdSink(WriteBytes write_bytes)
      : write_bytes_(std::move(write_bytes)), piece_(kPieceBytes), context_(ZSTD_createCCtx()) {
    if (!context_) throw std::bad_alloc();
    // Damage shows when the file is read, as gzip's does.
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  void write(std::string_view data) override {
    ZSTD_inBuffer input = {data.data(), data.size(), 0};
    while (input.pos < input.size) run(input, ZSTD_e_continue);
  }

  void finish() override {
    ZSTD_inBuffer nothing = {nullptr, 0, 0};
    while (run(nothing, ZSTD_e_end) > 0) {
    }
  }

 private:
  size_t run(ZSTD_inBuffer& input, ZSTD_EndDirective directive) {
    ZSTD_outBuffer output = {piece_.data(), piece_.size(), 0};
    const size_t left = ZSTD_compressStream2(context_.get(), &output, &input, directive);
    require(ZSTD_isError(left) == 0, "cannot compress: ", ZSTD_getErrorName(left));
    write_bytes_({piece_.data(), output.pos});
    return left;
  }

  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  WriteBytes write_bytes_;
  std::vector<char> piece_;
  std::unique_ptr<ZSTD_CCtx, Free> context_;
};

}  // namespace

std::unique_ptr<ByteSink> make_byte_sink(Compression compression, WriteBytes write_bytes) {
  if (compression == Compression::kGzip) return std::make_unique<GzipSink>(std::move(write_bytes));
  if (compression == Compression::kXz) return std::make_unique<XzSink>(std::move(write_bytes));
  if (compression == Compression::kZstd) return std::make_unique<ZstdSink>(std::move(write_bytes));
  return std::make_unique<PlainSink>(std::move(write_bytes));
}

}  // namespace eet
