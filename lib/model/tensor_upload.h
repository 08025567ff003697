// From a checkpoint in host memory to the device, as fast as the host can read it.
#pragma once

#include <cstddef>
#include <deque>
#include <future>
#include <memory>
#include <vector>

#include "lib/core/memory.h"
#include "lib/core/tensor_view.h"
#include "lib/model/weights.h"

namespace eet {

// Asks a loader for tensors before they are wanted, several at a time on threads of their own:
// transposed tensors are rearranged by one thread each.
class LoaderAhead {
 public:
  // `specs` are the tensors in the order they will be asked for. `loader` must outlive this.
  LoaderAhead(const TensorLoader& loader, std::vector<TensorSpec> specs);

  // The tensor of `spec`; one that is out of order is loaded while the caller waits. Throws what
  // the loader throws.
  HostTensor load(const TensorSpec& spec);

 private:
  static constexpr size_t kAhead = 4;

  void fill();

  const TensorLoader& loader_;
  std::vector<TensorSpec> specs_;
  size_t next_ = 0;                            // of specs_, to be asked for
  size_t taken_ = 0;                           // of specs_, handed out
  std::deque<std::future<HostTensor>> ahead_;  // of specs_[taken_, next_)
};

// Converts and uploads by way of a ring of pinned blocks: all threads fill one block while the ones
// before are on their way.
class TensorUpload {
 public:
  explicit TensorUpload(const Context& ctx);

  // Uploads the elements of `tensor`, view.numel() of them, as view.dtype. `tensor` is no longer
  // needed afterwards; the copy itself is done in stream order.
  void upload(const TensorView& view, const HostTensor& tensor);

 private:
  void upload_piece(std::byte* device_out, DType out_type, const HostTensor::Piece& piece,
                    DType in_type);

  static constexpr int kBlocks = 4;
  static constexpr size_t kBlockBytes = size_t{16} << 20;

  struct Block {
    Buffer memory;
    std::unique_ptr<Fence> copied;
  };

  const Context& ctx_;
  std::vector<Block> blocks_;
  size_t next_block_ = 0;
};

}  // namespace eet
