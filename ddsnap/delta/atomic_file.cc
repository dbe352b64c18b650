#include "ddsnap/delta/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <vector>

#include "ddsnap/base/random.h"

namespace ddsnap {

namespace {

constexpr std::uint64_t kWriteBackBytes = 8u << 20;
constexpr std::size_t kDirectAlignmentBytes = 4096;

bool are_aligned(std::span<const std::span<const std::byte>> pieces) {
  return std::ranges::all_of(pieces, [](std::span<const std::byte> piece) {
    return reinterpret_cast<std::uintptr_t>(piece.data()) % kDirectAlignmentBytes == 0 &&
           piece.size() % kDirectAlignmentBytes == 0;
  });
}

// As many at once as the kernel takes.
Status write_vectors(int fd, std::span<const std::span<const std::byte>> pieces,
                     const std::string& name) {
  std::vector<iovec> vectors;
  for (const auto piece : pieces)
    vectors.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
  for (std::size_t at = 0; at < vectors.size();) {
    const auto count = static_cast<int>(std::min<std::size_t>(vectors.size() - at, IOV_MAX));
    const ssize_t result = ::writev(fd, &vectors[at], count);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return fail_errno("cannot write", name);
    auto done = static_cast<std::size_t>(result);
    for (; at < vectors.size() && done >= vectors[at].iov_len; ++at) done -= vectors[at].iov_len;
    if (at == vectors.size()) break;
    vectors[at].iov_base = static_cast<std::byte*>(vectors[at].iov_base) + done;
    vectors[at].iov_len -= done;
  }
  return {};
}

}  // namespace

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
  DD_TRY(write_fully(fd_.get(), bytes, path_));
  length_bytes_ += bytes.size();
  is_synced_ = false;
  if (length_bytes_ - written_back_bytes_ >= kWriteBackBytes) write_back();
  return {};
}

Status AtomicFile::write_direct(std::span<const std::span<const std::byte>> pieces) {
  std::uint64_t total_bytes = 0;
  for (const auto piece : pieces) total_bytes += piece.size();
  if (total_bytes == 0) return {};
  // Advice both: room in one stretch, and no copy.
  (void)::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(length_bytes_),
                    static_cast<off_t>(total_bytes));
  const int flags = ::fcntl(fd_.get(), F_GETFL);
  const bool is_direct = length_bytes_ % kDirectAlignmentBytes == 0 && are_aligned(pieces) &&
                         ::fcntl(fd_.get(), F_SETFL, flags | O_DIRECT) == 0;
  const Status written = is_direct ? write_vectors(fd_.get(), pieces, path_) : Status{};
  if (is_direct) ::fcntl(fd_.get(), F_SETFL, flags);
  if (is_direct && !written && written.error().sys_errno != EINVAL) return written;
  if (!is_direct || !written) {
    if (::lseek(fd_.get(), static_cast<off_t>(length_bytes_), SEEK_SET) < 0)
      return fail_errno("cannot write", path_);
    for (const auto piece : pieces) DD_TRY(write(piece));
    return {};
  }
  length_bytes_ += total_bytes;
  is_synced_ = false;
  return {};
}

// The disk works while more is written; what it had time for leaves the cache. Advice: a file
// system that does not take it does all of it in sync().
void AtomicFile::write_back() {
  (void)::sync_file_range(fd_.get(), static_cast<off_t>(written_back_bytes_),
                          static_cast<off_t>(length_bytes_ - written_back_bytes_),
                          SYNC_FILE_RANGE_WRITE);
  const std::uint64_t behind = std::min(written_back_bytes_, kWriteBackBytes);
  (void)::posix_fadvise(fd_.get(), static_cast<off_t>(written_back_bytes_ - behind),
                        static_cast<off_t>(behind), POSIX_FADV_DONTNEED);
  written_back_bytes_ = length_bytes_;
}

Status AtomicFile::sync() {
  if (::fsync(fd_.get()) != 0) return fail_errno("cannot sync", path_);
  is_synced_ = true;
  return {};
}

Status AtomicFile::commit() {
  if (!is_synced_) DD_TRY(sync());
  if (length_bytes_ >= kWriteBackBytes) (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
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
