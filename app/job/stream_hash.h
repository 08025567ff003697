// A hash of data that come in pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace eet {

// XXH3 of all bytes added, however they are cut.
class StreamHash {
 public:
  StreamHash();
  ~StreamHash();
  StreamHash(const StreamHash&) = delete;
  StreamHash& operator=(const StreamHash&) = delete;

  void add(std::span<const char> bytes);
  uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eet
