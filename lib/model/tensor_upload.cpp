#include "lib/model/tensor_upload.h"

#include <algorithm>
#include <utility>

namespace eet {

LoaderAhead::LoaderAhead(const TensorLoader& loader, std::vector<TensorSpec> specs)
    : loader_(loader), specs_(std::move(specs)) {
  fill();
}

void LoaderAhead::fill() {
  while (ahead_.size() < kAhead && next_ < specs_.size()) {
    ahead_.push_back(std::async(
        std::launch::async, [this](const TensorSpec& spec) { return loader_(spec); },
        std::cref(specs_[next_])));
    ++next_;
  }
}

HostTensor LoaderAhead::load(const TensorSpec& spec) {
  if (ahead_.empty() || specs_[taken_].key != spec.key || specs_[taken_].shape != spec.shape) {
    return loader_(spec);
  }
  HostTensor tensor = ahead_.front().get();
  ahead_.pop_front();
  ++taken_;
  fill();
  return tensor;
}

TensorUpload::TensorUpload(const Context& ctx) : ctx_(ctx), blocks_(kBlocks) {
  for (Block& block : blocks_) {
    block.memory = allocate_staging(ctx, kBlockBytes, "weight upload staging");
    block.copied = std::make_unique<Fence>(ctx);
  }
}

void TensorUpload::upload(const TensorView& view, const HostTensor& tensor) {
  auto* out = view.as<std::byte>();
  for (const HostTensor::Piece& piece : tensor.pieces) {
    upload_piece(out, view.dtype, piece, tensor.dtype);
    out += piece.count * static_cast<int64_t>(dtype_size(view.dtype));
  }
}

void TensorUpload::upload_piece(std::byte* device_out, DType out_type,
                                const HostTensor::Piece& piece, DType in_type) {
  constexpr int64_t kChunk = 128 * 1024;  // elements a thread converts at a time
  const auto out_size = static_cast<int64_t>(dtype_size(out_type));
  const auto in_size = static_cast<int64_t>(dtype_size(in_type));
  const auto* source = static_cast<const std::byte*>(piece.data);
  const int64_t block_elements = static_cast<int64_t>(kBlockBytes) / out_size;
  for (int64_t first = 0; first < piece.count; first += block_elements) {
    const int64_t n = std::min(block_elements, piece.count - first);
    const Block& block = blocks_[std::exchange(next_block_, (next_block_ + 1) % blocks_.size())];
    block.copied->wait();
    ctx_.pool->parallel_for((n + kChunk - 1) / kChunk, [&](int64_t chunk) {
      const int64_t begin = chunk * kChunk;
      convert_elements(block.memory.as<std::byte>() + begin * out_size, out_type,
                       source + (first + begin) * in_size, in_type,
                       static_cast<size_t>(std::min(kChunk, n - begin)));
    });
    eet::upload(ctx_, device_out + first * out_size, block.memory.data(),
                static_cast<size_t>(n * out_size));
    block.copied->record();
  }
}

}  // namespace eet
