// Random changes of inputs, the same on every machine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace eet {

class Mutator {
 public:
  // `corpus` is not empty, and must outlive the mutator. Changes begin within the first `range`
  // bytes, or are at the end.
  explicit Mutator(const std::vector<std::string>& corpus, size_t range = SIZE_MAX)
      : corpus_(corpus), range_(range) {}

  // One of the corpus with one to four changes.
  std::string next() {
    std::string bytes = pick();
    for (size_t changes = 1 + below(4); changes > 0; --changes) change(bytes);
    return bytes;
  }

 private:
  // The same numbers everywhere, unlike std::uniform_int_distribution.
  size_t below(size_t limit) { return random_() % limit; }
  const std::string& pick() { return corpus_[below(corpus_.size())]; }

  void change(std::string& bytes) {
    const size_t at = below(std::min(range_, bytes.size() + 1));
    const size_t length = 1 + below(16);
    switch (below(7)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(below(256));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>('0' + below(10));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 4: {  // a piece of another input
        const std::string& other = pick();
        bytes.insert(at, other.substr(below(other.size() + 1), length));
        break;
      }
      case 5:  // a little is missing at the end
        bytes.resize(bytes.size() - std::min(bytes.size(), below(64)));
        break;
      default:
        bytes.resize(at);
    }
  }

  const std::vector<std::string>& corpus_;
  size_t range_;
  std::mt19937 random_{20240607};
};

}  // namespace eet
