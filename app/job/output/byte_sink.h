// Bytes on their way to an output, compressed where its name says so.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "app/job/input/compression.h"

namespace eet {

// Takes all of some bytes, or throws.
using WriteBytes = std::function<void(std::string_view)>;

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::string_view data) = 0;
  // Hands out all that is held back; to be called once, after the last write. A compressed file is
  // complete only then.
  virtual void finish() = 0;
};

// A sink that hands its bytes, compressed as demanded, to `write_bytes`. The same bytes written
// give the same compressed bytes, however they are cut into pieces.
std::unique_ptr<ByteSink> make_byte_sink(Compression compression, WriteBytes write_bytes);

}  // namespace eet
