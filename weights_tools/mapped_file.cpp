#include "weights_tools/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "lib/core/error.h"

namespace eet {

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path, Links links) {
  try {
    auto file = std::make_unique<const RegularFile>(path, links);
    const size_t size = file->size();
    require(size > 0, path.string(), ": the file is empty");
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->descriptor(), 0);
    const int reason = errno;
    require(data != MAP_FAILED, path.string(), ": cannot map ", size,
            " bytes: ", std::strerror(reason));
    return std::shared_ptr<const MappedFile>(
        new MappedFile(std::move(file), {static_cast<const std::byte*>(data), size}));
  } catch (const FileError& error) {
    throw Error(error.what());
  }
}

MappedFile::~MappedFile() {
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace eet
