#include "weights_tools/converter.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <system_error>

#include "lib/core/error.h"
#include "weights_tools/eet_config.h"
#include "weights_tools/formats/safetensors.h"
#include "weights_tools/output_file.h"
#include "weights_tools/staging_directory.h"

namespace eet {
namespace {

namespace fs = std::filesystem;

// Elements converted and written at a time.
constexpr size_t kChunk = size_t{1} << 20;

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t dim : shape) count *= dim;
  return count;
}

std::vector<TensorHeader> headers_of(const Checkpoint& checkpoint, const ConvertOptions& options) {
  std::vector<TensorHeader> headers;
  for (const CheckpointTensor& tensor : checkpoint.tensors) {
    headers.push_back(
        {tensor.spec.name(), options.dtype.value_or(tensor.dtype), tensor.spec.shape});
  }
  return headers;
}

int64_t total_bytes(const std::vector<TensorHeader>& headers) {
  int64_t bytes = 0;
  for (const TensorHeader& header : headers) {
    bytes += element_count(header.shape) * static_cast<int64_t>(dtype_size(header.dtype));
  }
  return bytes;
}

float element_as_float(const std::byte* data, DType dtype, size_t i) {
  float value = 0;
  convert_elements(&value, DType::kF32, data + i * dtype_size(dtype), dtype, 1);
  return value;
}

// fp16 ends at 65504; a weight that becomes infinite would ruin the model in silence.
void refuse_overflow(const uint16_t* halves, const std::byte* in, DType in_type, size_t count,
                     const std::string& name) {
  constexpr uint16_t kMagnitude = 0x7fff;
  constexpr uint16_t kInfinity = 0x7c00;
  for (size_t i = 0; i < count; ++i) {
    if ((halves[i] & kMagnitude) != kInfinity) continue;
    const float value = element_as_float(in, in_type, i);
    require(std::isinf(value), name, ": ", value,
            " does not fit fp16 (at most 65504); convert with --dtype bf16 or fp32");
  }
}

// Writes tensors one after the other, converting where needed.
class TensorStream {
 public:
  TensorStream(SafetensorsWriter& writer, const ConvertOptions& options)
      : writer_(writer), options_(options) {}

  void write(const HostTensor& tensor, const TensorHeader& header) {
    for (const HostTensor::Piece& piece : tensor.pieces) {
      const auto count = static_cast<size_t>(piece.count);
      const auto* in = static_cast<const std::byte*>(piece.data);
      for (size_t done = 0; done < count; done += kChunk) {
        require(!options_.interrupted || !options_.interrupted(),
                "conversion interrupted; nothing was written");
        const size_t n = std::min(kChunk, count - done);
        append(in + done * dtype_size(tensor.dtype), tensor.dtype, n, header);
      }
    }
  }

 private:
  void append(const std::byte* in, DType in_type, size_t count, const TensorHeader& header) {
    std::span<const std::byte> bytes(in, count * dtype_size(header.dtype));
    if (in_type != header.dtype) {
      buffer_.resize(kChunk * sizeof(float));
      convert_elements(buffer_.data(), header.dtype, in, in_type, count);
      if (header.dtype == DType::kF16) {
        refuse_overflow(reinterpret_cast<const uint16_t*>(buffer_.data()), in, in_type, count,
                        header.name);
      }
      bytes = std::span(buffer_).first(bytes.size());
    }
    writer_.append(bytes);
  }

  SafetensorsWriter& writer_;
  const ConvertOptions& options_;
  std::vector<std::byte> buffer_;
};

void write_weights(const Checkpoint& checkpoint, const fs::path& path,
                   const ConvertOptions& options) {
  const std::vector<TensorHeader> headers = headers_of(checkpoint, options);
  SafetensorsWriter writer(path, headers);
  TensorStream stream(writer, options);
  for (size_t i = 0; i < headers.size(); ++i) {
    stream.write(checkpoint.loader(checkpoint.tensors[i].spec), headers[i]);
  }
  writer.finish();
}

void write_config(const Checkpoint& checkpoint, const fs::path& path,
                  const ConvertOptions& options) {
  ModelConfig config = checkpoint.config;
  config.dtype = options.dtype.value_or(config.dtype);
  OutputFile file(path);
  file.write(format_eet_config(config));
  file.finish();
}

void copy_file_to(const fs::path& from, const fs::path& directory) {
  // A SentencePiece model of another name (llama2.c's tok512.model) gets the one looked for.
  const bool is_model = from.extension() == ".model";
  const auto source = MappedFile::open(from);
  OutputFile file(directory / (is_model ? fs::path("tokenizer.model") : from.filename()));
  file.write(source->bytes());
  file.finish();
}

void refuse_without_space(const fs::path& directory, int64_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(directory, error);
  require(error || space.available >= static_cast<uintmax_t>(bytes), directory.string(),
          ": the converted model needs ", bytes, " bytes, but only ", space.available,
          " are available; free some space or write elsewhere");
}

}  // namespace

void convert(const Checkpoint& checkpoint, const fs::path& destination,
             const ConvertOptions& options) {
  StagingDirectory staging(destination, options.source, options.force);
  refuse_without_space(staging.path(), total_bytes(headers_of(checkpoint, options)));
  write_weights(checkpoint, staging.path() / "model.safetensors", options);
  write_config(checkpoint, staging.path() / kEetConfigFile, options);
  for (const auto& [name, contents] : options.new_files) {
    OutputFile file(staging.path() / name);
    file.write(contents);
    file.finish();
  }
  for (const fs::path& file : options.tokenizer_files) copy_file_to(file, staging.path());
  staging.commit();
}

}  // namespace eet
