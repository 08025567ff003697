// Which ids have been seen, in a fixed amount of memory for each.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace eet {

// Holds 64-bit hashes: between 11 and 23 bytes an id. Two different ids pass for the same with a
// probability of 3e-6 among ten million.
class IdSet {
 public:
  IdSet();

  // False when `id` is there already.
  bool insert(std::string_view id);

 private:
  bool place(uint64_t hash);
  void grow();

  std::vector<uint64_t> slots_;  // a power of two; 0: free
  size_t used_ = 0;
};

}  // namespace eet
