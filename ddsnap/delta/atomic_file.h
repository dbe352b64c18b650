// A file that appears under its name complete and durable, or not at all.
//
// Shape     What is written leaves the page cache behind the writer: it is not read again soon.
// Durable   commit() syncs the content, renames, then syncs the folder: after a power cut the name
//           holds the old content or the new, never a part.
// Errors    As the file system says. Before commit() succeeded the old content is still there.
// Threads   A plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

class AtomicFile {
 public:
  // Opens a temporary name beside `path`.
  static Result<AtomicFile> create(std::string path);

  AtomicFile(AtomicFile&& other) noexcept
      : fd_(std::move(other.fd_)),
        path_(std::move(other.path_)),
        temporary_path_(std::exchange(other.temporary_path_, {})),
        length_bytes_(other.length_bytes_),
        written_back_bytes_(other.written_back_bytes_),
        is_synced_(other.is_synced_) {}
  AtomicFile& operator=(AtomicFile&&) = delete;
  // Without a commit nothing remains.
  ~AtomicFile();

  Status write(std::span<const std::byte> bytes);
  // One after the other, without the page cache where file system and memory allow it.
  Status write_direct(std::span<const std::span<const std::byte>> pieces);
  // Makes what was written durable, under the temporary name yet.
  Status sync();
  Status commit();

 private:
  AtomicFile(UniqueFd fd, std::string path, std::string temporary_path)
      : fd_(std::move(fd)), path_(std::move(path)), temporary_path_(std::move(temporary_path)) {}
  void write_back();

  UniqueFd fd_;
  std::string path_;
  std::string temporary_path_;
  std::uint64_t length_bytes_ = 0;
  std::uint64_t written_back_bytes_ = 0;  // the disk has been told of so many
  bool is_synced_ = false;
};

// All of `bytes`, through interruptions and short writes.
Status write_fully(int fd, std::span<const std::byte> bytes, const std::string& name);
// The folder that a path lies in.
std::string folder_of(const std::string& path);
// Makes the names in a folder durable.
Status sync_folder(const std::string& path);

}  // namespace ddsnap
