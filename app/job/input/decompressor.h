// Decompression piece by piece, with a fixed amount of memory.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>

#include "app/job/input/compression.h"

namespace eet {

// What is wrong with compressed data, without where: the caller knows that.
class CorruptData : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A stream of frames (members, as gzip calls them), one after another.
class Decompressor {
 public:
  virtual ~Decompressor() = default;

  struct Step {
    size_t consumed = 0;  // bytes of `in`
    size_t produced = 0;  // bytes of `out`
  };

  // Decompresses what is there. With an empty `in` it gives what is still held back. Throws
  // CorruptData.
  virtual Step step(std::span<const char> in, std::span<char> out) = 0;

  // Whether the data may end here: at the end of a frame.
  virtual bool at_end_of_frame() const = 0;
};

// `compression` is not kNone. Windows of up to 2 GiB are taken, as zstd --long=31 writes them.
std::unique_ptr<Decompressor> make_decompressor(Compression compression);

}  // namespace eet
