#include "ddsnap/io/file_device.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "ddsnap/io/file_extents.h"
#include "ddsnap/io/mapped_snapshot.h"

namespace ddsnap {

namespace {

int access_flags(DeviceAccess access) {
  return O_CLOEXEC | (access == DeviceAccess::kReadWrite ? O_RDWR : O_RDONLY);
}

// Whether to use O_DIRECT. Looks before open(), which would wait for ever on a FIFO.
Result<bool> choose_direct(const std::string& path, FileOptions::Caching caching) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return fail_errno("cannot open", path);
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
    return fail(ErrorCode::kUsage, path + " is neither a file nor a block device");
  if (caching == FileOptions::Caching::kAuto) return S_ISBLK(status.st_mode);
  return caching == FileOptions::Caching::kDirect;
}

// Calls the function again while a signal interrupts it; returns 0 or the errno.
template <class Call>
int errno_of(Call call) {
  while (call() != 0)
    if (errno != EINTR) return errno;
  return 0;
}

int allocate_errno(int fd, int mode, ByteRange range) {
  return errno_of([&] {
    return ::fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.offset_bytes),
                       static_cast<off_t>(range.length_bytes));
  });
}

int block_ioctl_errno(int fd, unsigned long command, ByteRange range) {
  std::uint64_t argument[2] = {range.offset_bytes, range.length_bytes};
  return errno_of([&] { return ::ioctl(fd, command, argument); });
}

bool is_unsupported(int sys_errno) {
  return sys_errno == EOPNOTSUPP || sys_errno == ENOSYS || sys_errno == ENOTTY;
}

}  // namespace

Result<std::unique_ptr<FileDevice>> FileDevice::open(const std::string& path,
                                                     const FileOptions& options) {
  const bool is_direct = DD_TRY(choose_direct(path, options.caching));
  UniqueFd fd(::open(path.c_str(), access_flags(options.access) | (is_direct ? O_DIRECT : 0)));
  if (!fd && is_direct && errno == EINVAL)
    return fail(ErrorCode::kUsage, path + " does not support direct I/O");
  if (!fd) return fail_errno("cannot open", path);
  const FileFacts facts = DD_TRY(inspect_file(fd.get(), path, is_direct));
  FileOptions chosen = options;
  chosen.caching = is_direct ? FileOptions::Caching::kDirect : FileOptions::Caching::kBuffered;
  std::unique_ptr<FileDevice> device(new FileDevice(path, std::move(fd), chosen, facts));
  DD_TRY(device->open_tail());
  if (facts.is_block_device) return device;
  if (options.leaves_cache_alone && !is_direct)
    device->footprint_ = CacheFootprint::of(device->fd(), facts.geometry.size_bytes);
  if (options.reads_cached && is_direct) DD_TRY(device->open_cache());
  return device;
}

FileDevice::FileDevice(std::string name, UniqueFd fd, const FileOptions& options,
                       const FileFacts& facts)
    : name_(std::move(name)),
      is_writable_(options.access == DeviceAccess::kReadWrite),
      is_direct_(options.caching == FileOptions::Caching::kDirect),
      punches_(options.keeps_sparse && facts.is_sparse),
      facts_(facts),
      fd_(std::move(fd)),
      engine_(make_io_engine(options.engine)) {}

// O_DIRECT cannot write a partial block; a second, buffered descriptor of the same file can. The
// kernel keeps the page cache and direct I/O on a file coherent within one machine.
Status FileDevice::open_tail() {
  if (!is_direct_ || facts_.geometry.size_bytes % facts_.geometry.block_bytes == 0) return {};
  tail_fd_ =
      DD_TRY(open_buffered(is_writable_ ? DeviceAccess::kReadWrite : DeviceAccess::kReadOnly));
  return {};
}

Status FileDevice::open_cache() {
  cache_fd_ = DD_TRY(open_buffered(DeviceAccess::kReadOnly));
  footprint_ = CacheFootprint::of(cache_fd_.get(), facts_.geometry.size_bytes);
  return {};
}

Result<UniqueFd> FileDevice::open_buffered(DeviceAccess access) const {
  UniqueFd fd(::open(name_.c_str(), access_flags(access)));
  if (!fd) return fail_errno("cannot open once more", name_);
  struct stat whole{}, again{};
  if (::fstat(fd_.get(), &whole) != 0 || ::fstat(fd.get(), &again) != 0)
    return fail_errno("cannot inspect", name_);
  if (whole.st_dev != again.st_dev || whole.st_ino != again.st_ino)
    return fail(ErrorCode::kBusy, name_ + " was replaced while it was opened");
  return fd;
}

Status FileDevice::refresh_size() {
  facts_ = DD_TRY(inspect_file(fd_.get(), name_, is_direct_));
  return open_tail();
}

Status FileDevice::run(std::span<IoRequest> batch) {
  DD_TRY(admit_batch(*this, batch, is_writable_));
  if (!footprint_) return run_admitted(batch);
  if (is_direct_) return run_direct_beside_cache(batch);
  if (footprint_->has_all(batch)) return run_at_once(batch);
  const std::vector<ByteRange> absent = footprint_->absent(batch);
  const Status status = run_admitted(batch);
  footprint_->drop(absent);
  return status;
}

// Direct writes take what they overwrite out of the cache, so that what is found there is the
// truth.
Status FileDevice::run_direct_beside_cache(std::span<IoRequest> batch) {
  std::vector<IoRequest> rest;
  std::vector<std::size_t> rest_of;  // the request in `batch` that each is
  Status first;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (footprint_->has_all(batch.subspan(i, 1))) {
      batch[i].status = transfer_rest({cache_fd_.get(), name_}, batch[i], 0);
      if (first) first = batch[i].status;
    } else {
      rest.push_back(batch[i]);
      rest_of.push_back(i);
    }
  }
  if (rest.size() == batch.size()) return run_admitted(batch);
  if (rest.empty()) return first;
  const Status status = run_admitted(rest);
  for (std::size_t i = 0; i < rest.size(); ++i)
    batch[rest_of[i]].status = std::move(rest[i].status);
  return first ? status : first;
}

// What is in memory is only copied: there is nothing to wait for.
Status FileDevice::run_at_once(std::span<IoRequest> batch) {
  Status first;
  for (IoRequest& request : batch) {
    request.status = transfer_rest({fd_.get(), name_}, request, 0);
    if (first) first = request.status;
  }
  return first;
}

Status FileDevice::run_admitted(std::span<IoRequest> batch) {
  if (is_direct_) {
    const std::uint64_t size = facts_.geometry.size_bytes;
    const DirectBatch::Limits limits{
        .whole_blocks_end_bytes = round_down(size, facts_.geometry.block_bytes),
        .memory_alignment_bytes = facts_.memory_alignment_bytes};
    if (DirectBatch::is_needed(batch, limits)) return run_direct(batch, limits);
  }
  engine_->run({fd_.get(), name_}, batch);
  for (const IoRequest& request : batch)
    if (!request.status) return request.status;
  return {};
}

Status FileDevice::run_direct(std::span<IoRequest> batch, const DirectBatch::Limits& limits) {
  DirectBatch direct(batch, limits);
  engine_->run({fd_.get(), name_}, direct.body());
  for (IoRequest& request : direct.tail())
    request.status = transfer_rest({tail_fd_.get(), name_}, request, 0);
  return direct.finish();
}

Status FileDevice::flush() {
  const int error = errno_of([this] { return ::fdatasync(fd_.get()); });
  return error == 0 ? Status{} : fail_errno("cannot flush", name_, error);
}

Status FileDevice::check_changeable(ByteRange range) const {
  DD_TRY(check_range(*this, range));
  if (!is_writable_) return fail(ErrorCode::kUsage, name_ + " is open read-only");
  return {};
}

Status FileDevice::discard(ByteRange range) {
  DD_TRY(check_changeable(range));
  if (range.length_bytes == 0) return {};
  const int error = facts_.is_block_device ? block_ioctl_errno(fd_.get(), BLKDISCARD, range)
                                           : allocate_errno(fd_.get(), FALLOC_FL_PUNCH_HOLE, range);
  if (error == 0 || is_unsupported(error)) return {};  // advice: not taking it is allowed
  return fail_errno("cannot discard on", name_, error);
}

// ZERO_RANGE first: it keeps the space, and a file-backed snapstore is preallocated (S9). A delta's
// target that is sparse stays so: a full delta may name a tebibyte. Both guarantee zeros (D6).
int FileDevice::zero_range(ByteRange range) const {
  if (facts_.is_block_device) return block_ioctl_errno(fd_.get(), BLKZEROOUT, range);
  const int first = punches_ ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
  const int second = punches_ ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE;
  const int error = allocate_errno(fd_.get(), first, range);
  return is_unsupported(error) ? allocate_errno(fd_.get(), second, range) : error;
}

Status FileDevice::write_zeroes(ByteRange range) {
  DD_TRY(check_changeable(range));
  if (range.length_bytes == 0) return {};
  const int error = zero_range(range);
  if (error == 0) return {};
  if (is_unsupported(error)) return BlockDevice::write_zeroes(range);
  return fail_errno("cannot write zeroes to", name_, error);
}

Result<std::vector<Extent>> FileDevice::extents(ByteRange range) {
  if (facts_.is_block_device) return BlockDevice::extents(range);
  DD_TRY(check_range(*this, range));
  return file_extents({fd_.get(), name_}, range, facts_.geometry.block_bytes);
}

std::string FileDevice::proven_snapshot_uuid() const {
  struct stat status{};
  if (!facts_.is_block_device || ::fstat(fd_.get(), &status) != 0) return {};
  return mapped_snapshot_uuid(status.st_rdev);
}

}  // namespace ddsnap
