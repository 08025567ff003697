// GGUF files written by the tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace eet {

// Little-endian bytes of a GGUF file, field by field.
class GgufBytes {
 public:
  explicit GgufBytes(uint32_t version = 3) : version_(version) {}

  GgufBytes& string(const std::string& key, const std::string& text) {
    return value(key, 8, text_bytes(text));
  }
  GgufBytes& uint32(const std::string& key, uint32_t number) {
    return value(key, 4, number_bytes(number));
  }
  GgufBytes& int32(const std::string& key, int32_t number) {
    return value(key, 5, number_bytes(number));
  }
  GgufBytes& uint16(const std::string& key, uint16_t number) {
    return value(key, 2, number_bytes(number));
  }
  GgufBytes& float32(const std::string& key, float number) {
    return value(key, 6, number_bytes(number));
  }
  GgufBytes& boolean(const std::string& key, bool flag) {
    return value(key, 7, std::string(1, flag ? '\1' : '\0'));
  }
  GgufBytes& strings(const std::string& key, const std::vector<std::string>& list) {
    std::string bytes = number_bytes(uint32_t{8}) + number_bytes(uint64_t{list.size()});
    for (const std::string& text : list) bytes += text_bytes(text);
    return value(key, 9, bytes);
  }
  template <typename Number>
  GgufBytes& numbers(const std::string& key, uint32_t type, const std::vector<Number>& list) {
    std::string bytes = number_bytes(type) + number_bytes(uint64_t{list.size()});
    for (const Number number : list) bytes += number_bytes(number);
    return value(key, 9, bytes);
  }
  // A value of any type from its bytes.
  GgufBytes& value(const std::string& key, uint32_t type, const std::string& bytes) {
    values_ += text_bytes(key) + number_bytes(type) + bytes;
    ++value_count_;
    return *this;
  }

  // A tensor of `type` behind the ones before, or at `offset`. Sizes are as the file has them, the
  // fastest first.
  GgufBytes& tensor(const std::string& name, const std::vector<uint64_t>& sizes, uint32_t type,
                    const std::string& bytes, int64_t offset = -1) {
    data_.resize((data_.size() + 31) / 32 * 32);
    entries_ += text_bytes(name) + number_bytes(static_cast<uint32_t>(sizes.size()));
    for (const uint64_t size : sizes) entries_ += number_bytes(size);
    entries_ += number_bytes(type);
    entries_ += number_bytes(offset < 0 ? data_.size() : static_cast<uint64_t>(offset));
    data_ += bytes;
    ++tensor_count_;
    return *this;
  }

  std::string file() const {
    std::string bytes = "GGUF" + number_bytes(version_) + number_bytes(tensor_count_) +
                        number_bytes(value_count_) + values_ + entries_;
    bytes.resize((bytes.size() + 31) / 32 * 32);
    return bytes + data_;
  }

  template <typename Number>
  static std::string number_bytes(Number number) {
    std::string bytes(sizeof number, '\0');
    std::memcpy(bytes.data(), &number, sizeof number);
    return bytes;
  }
  static std::string text_bytes(const std::string& text) {
    return number_bytes(uint64_t{text.size()}) + text;
  }

 private:
  uint32_t version_;
  uint64_t value_count_ = 0;
  uint64_t tensor_count_ = 0;
  std::string values_;
  std::string entries_;
  std::string data_;
};

}  // namespace eet
