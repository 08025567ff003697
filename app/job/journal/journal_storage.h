// The file operations that the journal needs, and nothing else, so that tests can make them fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "app/job/file_descriptor.h"

namespace eet {

// Bytes that outlive the program. write() may come from one thread while another reads what was
// written before. All throw Error on failure, and then an unknown part of the data is written.
class JournalStorage {
 public:
  virtual ~JournalStorage() = default;

  virtual const std::string& name() const = 0;  // for messages
  virtual uint64_t size() const = 0;
  // Fills `out` from `offset` on; returns fewer bytes only at the end.
  virtual size_t read(uint64_t offset, std::span<char> out) const = 0;
  virtual void write(uint64_t offset, std::string_view data) = 0;
  virtual void truncate(uint64_t size) = 0;
  // Returns once all that was written survives a loss of power. Throws Error also when somebody
  // removed, replaced or cut the file meanwhile.
  virtual void sync() = 0;
  // Whether a later run will find the bytes under this name.
  virtual bool in_place() const = 0;
  // The journal has served its purpose. Removing it again does nothing.
  virtual void remove() = 0;
};

// A file, locked against other processes as long as it is open.
class JournalFile : public JournalStorage {
 public:
  // Opens `path`, or creates it durably with the permissions of `like`, where that exists. Throws
  // Error when it cannot, when it is no regular file or a link to one, or when another process
  // holds it.
  static std::unique_ptr<JournalFile> open(const std::string& path, const std::string& like = {});

  const std::string& name() const override { return path_; }
  uint64_t size() const override;
  size_t read(uint64_t offset, std::span<char> out) const override;
  void write(uint64_t offset, std::string_view data) override;
  void truncate(uint64_t size) override;
  void sync() override;
  bool in_place() const override;
  void remove() override;

  int descriptor() const { return fd_.get(); }

 private:
  JournalFile(std::string path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  void require_whole() const;
  [[noreturn]] void fail(const char* action) const;

  std::string path_;
  FileDescriptor fd_;
  uint64_t end_ = 0;  // of what is known to be in the file; written by one thread only
  bool removed_ = false;
};

}  // namespace eet
