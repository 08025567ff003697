#include "weights_tools/stored_parts.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>

#include "weights_tools/formats/gguf_quants.h"

namespace eet {
namespace {

using Bytes = std::unique_ptr<std::byte[]>;

// out[c, r] = in[r, c] in tiles that stay in the cache; in: [rows, columns].
template <typename Element>
void transpose(Element* out, const Element* in, int64_t rows, int64_t columns) {
  constexpr int64_t kTile = 32;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      for (int64_t c = c0; c < std::min(c0 + kTile, columns); ++c) {
        for (int64_t r = r0; r < std::min(r0 + kTile, rows); ++r) {
          out[c * rows + r] = in[r * columns + c];
        }
      }
    }
  }
}

void transpose(std::byte* out, const std::byte* in, int64_t rows, int64_t columns, DType dtype) {
  if (dtype_size(dtype) == 2) {
    transpose(reinterpret_cast<uint16_t*>(out), reinterpret_cast<const uint16_t*>(in), rows,
              columns);
  } else {
    transpose(reinterpret_cast<uint32_t*>(out), reinterpret_cast<const uint32_t*>(in), rows,
              columns);
  }
}

// Copies rows into canonical order: row r of `out` is row from(r) of `in`.
template <typename From>
void gather_rows(std::byte* out, const std::byte* in, int64_t rows, size_t row_bytes, From from) {
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(out + static_cast<size_t>(row) * row_bytes,
                in + static_cast<size_t>(from(row)) * row_bytes, row_bytes);
  }
}

// Row (head, half, i) is stored as row (head, i, half); of gates, which are no heads, head_dim is
// the number of rows.
int64_t row_of_pair(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim;
  const int64_t half = row % head_dim / (head_dim / 2);
  const int64_t i = row % (head_dim / 2);
  return head * head_dim + 2 * i + half;
}

// Row i of a query, key or value head is stored behind those of the key heads before it and of its
// own that come first.
int64_t row_in_group(int64_t row, const AttentionConfig& heads) {
  const int64_t head = row / heads.head_dim;
  const int64_t group = heads.num_heads / heads.num_kv_heads;
  int64_t kv_head = head / group;
  int64_t place = head % group;
  if (head >= heads.num_heads) {
    const int64_t other = head - heads.num_heads;
    kv_head = other % heads.num_kv_heads;
    place = group + other / heads.num_kv_heads;
  }
  return (kv_head * (group + 2) + place) * heads.head_dim + row % heads.head_dim;
}

bool is_aligned(const std::byte* data, DType dtype) {
  return reinterpret_cast<uintptr_t>(data) % dtype_size(dtype) == 0;
}

// The first wanted element of a stored tensor.
const std::byte* first_element(const StoredPart& part) {
  return part.stored.data + stored_bytes(part.stored, part.source.first);
}

void unpack(float* out, const StoredPart& part) {
  const PackedType& packed = *part.stored.packed;
  const size_t blocks = static_cast<size_t>(part.source.numel()) / packed.elements;
  if (packed.unpack_scaled != nullptr) {
    const size_t first = static_cast<size_t>(part.source.first) / packed.elements;
    packed.unpack_scaled(out, first_element(part), part.stored.scales + first, blocks);
  } else {
    packed.unpack(out, first_element(part), blocks);
  }
}

// The elements of a part in the stored layout, as `dtype` and aligned: in `buffer` where they do
// not lie so in the file.
const std::byte* elements_of(const StoredPart& part, DType dtype, Bytes& buffer) {
  const auto count = static_cast<size_t>(part.source.numel());
  const std::byte* in = first_element(part);
  DType in_type = *part.stored.dtype;
  if (part.stored.packed != nullptr) {
    in_type = DType::kF32;
    buffer = std::make_unique_for_overwrite<std::byte[]>(count * sizeof(float));
    unpack(reinterpret_cast<float*>(buffer.get()), part);
    in = buffer.get();
  } else if (!is_aligned(in, in_type)) {
    buffer = std::make_unique_for_overwrite<std::byte[]>(count * dtype_size(in_type));
    std::memcpy(buffer.get(), in, count * dtype_size(in_type));
    in = buffer.get();
  }
  if (in_type == dtype) return in;
  Bytes converted = std::make_unique_for_overwrite<std::byte[]>(count * dtype_size(dtype));
  convert_elements(converted.get(), dtype, in, in_type, count);
  buffer = std::move(converted);
  return buffer.get();
}

// Writes the rows of `part`, as `dtype` in canonical layout, to `out` (aligned).
void write_part(std::byte* out, const StoredPart& part, DType dtype, const AttentionConfig& heads) {
  Bytes buffer;
  const std::byte* in = elements_of(part, dtype, buffer);
  const int64_t rows = part.source.shape[0];
  const int64_t columns = part.source.numel() / rows;
  const size_t row_bytes = static_cast<size_t>(columns) * dtype_size(dtype);
  switch (part.source.layout) {
    case SourceLayout::kSame:
    case SourceLayout::kHeadRows:
    case SourceLayout::kOneRow:
      std::memcpy(out, in, static_cast<size_t>(rows) * row_bytes);
      return;
    case SourceLayout::kTransposed:
      transpose(out, in, columns, rows, dtype);
      return;
    case SourceLayout::kInterleavedPairs:
      gather_rows(out, in, rows, row_bytes,
                  [&](int64_t row) { return row_of_pair(row, heads.head_dim); });
      return;
    case SourceLayout::kGroupedQkv:
      gather_rows(out, in, rows, row_bytes, [&](int64_t row) { return row_in_group(row, heads); });
      return;
    case SourceLayout::kInterleavedGates:
      gather_rows(out, in, rows, row_bytes, [&](int64_t row) { return row_of_pair(row, rows); });
      return;
    case SourceLayout::kTransposedInterleavedGates: {
      const Bytes turned =
          std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(rows) * row_bytes);
      transpose(turned.get(), in, columns, rows, dtype);
      gather_rows(out, turned.get(), rows, row_bytes,
                  [&](int64_t row) { return row_of_pair(row, rows); });
      return;
    }
  }
}

// Parts of files that a tensor was made of or is a view of, as long as it lives: the model has
// copies of its own then, and a job need not keep both in memory.
class UsedParts {
 public:
  explicit UsedParts(const std::vector<StoredPart>& parts) : parts_(parts) {}
  ~UsedParts() {
    for (const StoredPart& part : parts_) {
      const size_t bytes = stored_bytes(part.stored, part.source.numel());
      part.stored.file->release({first_element(part), bytes});
    }
  }
  UsedParts(const UsedParts&) = delete;
  UsedParts& operator=(const UsedParts&) = delete;

 private:
  std::vector<StoredPart> parts_;
};

// The parts as they lie in their files; those that follow each other there are one piece.
HostTensor view_parts(const std::vector<StoredPart>& parts, std::vector<int64_t> shape,
                      DType dtype) {
  HostTensor tensor{dtype, std::move(shape), {}, nullptr};
  const std::byte* end = nullptr;
  const MappedFile* file = nullptr;
  for (const StoredPart& part : parts) {
    const std::byte* begin = first_element(part);
    if (begin == end && file == part.stored.file.get()) {
      tensor.pieces.back().count += part.source.numel();
    } else {
      tensor.pieces.push_back({begin, part.source.numel()});
      file = part.stored.file.get();
    }
    end = begin + stored_bytes(part.stored, part.source.numel());
  }
  tensor.owner = std::make_shared<const UsedParts>(parts);
  return tensor;
}

int64_t product_of(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace

int64_t Source::numel() const {
  return product_of(shape);
}

DType common_dtype(const std::vector<StoredPart>& parts) {
  const DType first = *parts.front().stored.dtype;
  const bool same = std::all_of(parts.begin(), parts.end(), [&](const StoredPart& part) {
    return *part.stored.dtype == first;
  });
  return same ? first : DType::kF32;
}

size_t stored_bytes(const StoredTensor& stored, int64_t elements) {
  const PackedType* packed = stored.packed;
  const auto count = static_cast<size_t>(elements);
  return packed != nullptr ? count / packed->elements * packed->bytes
                           : count * dtype_size(*stored.dtype);
}

HostTensor join_parts(const std::vector<StoredPart>& parts, std::vector<int64_t> shape, DType dtype,
                      const AttentionConfig& heads) {
  const bool in_place = std::all_of(parts.begin(), parts.end(), [&](const StoredPart& part) {
    return part.source.layout == SourceLayout::kSame && part.stored.packed == nullptr &&
           *part.stored.dtype == dtype && is_aligned(first_element(part), dtype);
  });
  if (in_place) return view_parts(parts, std::move(shape), dtype);
  const UsedParts used(parts);
  HostTensor tensor{dtype, std::move(shape), {}, nullptr};
  const size_t size = dtype_size(dtype);
  const int64_t count = product_of(tensor.shape);
  const std::shared_ptr<std::byte[]> bytes =
      std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(count) * size);
  std::byte* out = bytes.get();
  for (const StoredPart& part : parts) {
    write_part(out, part, dtype, heads);
    out += static_cast<size_t>(part.source.numel()) * size;
  }
  tensor.pieces = {{bytes.get(), count}};
  tensor.owner = bytes;
  return tensor;
}

}  // namespace eet
