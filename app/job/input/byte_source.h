// The bytes of an input, decompressed where it is compressed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/job/input/decompressor.h"
#include "app/job/input/input_file.h"
#include "app/job/input/utf16.h"
#include "app/job/journal/hash.h"

namespace eet {

// A name that ends in .gz, .xz or .zst demands that compression; any other input (standard input
// too) is decompressed when it begins with the magic bytes of one. Several members or frames in one
// file are read as one text. Memory is fixed but for the window that a frame demands, 2 GiB at
// most. UTF-16 with a byte order mark comes out as UTF-8.
class ByteSource {
 public:
  // `path` "-" is standard input. Throws Error when it cannot be opened or is a directory.
  explicit ByteSource(const std::string& path);

  // Reads up to out.size() bytes; 0 at the end, and when cancelled. Throws Error when reading
  // fails, and when compressed data are corrupt or cut short, with their offset in the file.
  size_t read(std::span<char> out);

  // Ends the input, also for a thread that waits in read(). May be called from any thread.
  void cancel() { file_.cancel(); }

  const InputFile& file() const { return file_; }

  // How much read() gives in all: a regular file's size, for a compressed one estimated from what
  // was read so far. May be called from any thread.
  std::optional<int64_t> total_bytes() const;

  // Of all that read() has given.
  uint64_t hash() const { return hash_.value(); }

 private:
  void start();  // looks at the first bytes
  bool fill();   // the next piece of the file into held_; false at its end
  void look_for_utf16();
  size_t read_utf16(std::span<char> out);
  size_t read_next(std::span<char> out);
  size_t take_held(std::span<char> out);
  size_t decompress(std::span<char> out);

  InputFile file_;
  Compression compression_;
  std::unique_ptr<Decompressor> decompressor_;
  StreamHash hash_;
  bool started_ = false;
  std::optional<Utf16Decoder> utf16_;
  std::string decoded_;                      // bytes that read() gives next
  std::vector<char> piece_;                  // the buffer of held_
  std::span<const char> held_;               // read from the file and not used yet
  std::atomic<int64_t> used_bytes_ = 0;      // of the compressed file
  std::atomic<int64_t> produced_bytes_ = 0;  // decompressed from them
};

}  // namespace eet
