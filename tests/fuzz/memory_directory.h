// A directory, in memory where the system has one there, for readers of several files.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/fuzz/entry.h"

namespace eet {

class MemoryDirectory {
 public:
  MemoryDirectory() {
    namespace fs = std::filesystem;
    const fs::path base = fs::is_directory("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
    std::string name = (base / "eet-fuzz-XXXXXX").string();
    expect(::mkdtemp(name.data()) != nullptr, "a directory");
    path_ = name;
  }
  ~MemoryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  MemoryDirectory(const MemoryDirectory&) = delete;
  MemoryDirectory& operator=(const MemoryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  void write(const char* name, std::string_view bytes) const {
    std::ofstream file(path_ / name, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    expect(file.flush().good(), "to write a file");
  }

 private:
  std::filesystem::path path_;
};

}  // namespace eet
