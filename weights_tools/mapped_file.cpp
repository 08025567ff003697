#include "weights_tools/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

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
            " bytes: ", system_reason(reason));
    return std::shared_ptr<const MappedFile>(
        new MappedFile(std::move(file), {static_cast<const std::byte*>(data), size}));
  } catch (const FileError& error) {
    throw Error(error.what());
  }
}

void MappedFile::release(std::span<const std::byte> part) const {
  static const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<size_t>(part.data() - bytes_.data());  // the file's is on a page
  const size_t first = (begin + page - 1) / page * page;
  const size_t end = (begin + part.size()) / page * page;
  if (first >= end) return;
  // What it cannot do costs memory only.
  ::madvise(const_cast<std::byte*>(bytes_.data()) + first, end - first, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace eet
