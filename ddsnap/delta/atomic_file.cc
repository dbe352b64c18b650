#include "ddsnap/delta/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>

#include "ddsnap/base/random.h"

namespace ddsnap {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<AtomicFile> AtomicFile::create(std::string path) {
  SystemRandom random;
  std::string temporary = fmt::format("{}.{:016x}.tmp", path, random.next_u64());
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd) return fail_errno("cannot create", path);
  return AtomicFile(std::move(fd), std::move(path), std::move(temporary));
}

AtomicFile::~AtomicFile() {
  if (!temporary_path_.empty()) ::unlink(temporary_path_.c_str());
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  return write_fully(fd_.get(), bytes, path_);
}

Status AtomicFile::commit() {
  if (::fsync(fd_.get()) != 0) return fail_errno("cannot sync", path_);
  if (std::rename(temporary_path_.c_str(), path_.c_str()) != 0)
    return fail_errno("cannot name", path_);
  temporary_path_.clear();
  return sync_folder(folder_of(path_));
}

Status write_fully(int fd, std::span<const std::byte> bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail_errno("cannot write", name);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
  return {};
}

Status sync_folder(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open", path);
  if (::fsync(fd.get()) != 0) return fail_errno("cannot sync", path);
  return {};
}

}  // namespace ddsnap
