// The tokens <0x00> to <0xFF> of vocabularies that fall back to bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/models/vocabulary.h"

namespace eet {

class ByteTokens {
 public:
  explicit ByteTokens(const Vocabulary& vocabulary) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    for (size_t byte = 0; byte < ids_.size(); ++byte) {
      const std::string name = {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
      ids_[byte] = vocabulary.find(name).value_or(-1);
    }
  }

  // Appends the ids of `bytes`; false, and nothing, where the vocabulary lacks one.
  bool append(std::string_view bytes, std::vector<int32_t>& ids) const {
    for (char byte : bytes) {
      if (ids_[static_cast<uint8_t>(byte)] < 0) return false;
    }
    for (char byte : bytes) ids.push_back(ids_[static_cast<uint8_t>(byte)]);
    return true;
  }

 private:
  std::array<int32_t, 256> ids_{};
};

}  // namespace eet
