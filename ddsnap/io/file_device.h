// A regular file or a block device, by its path.
//
// Units     Bytes, on blocks of geometry(): the logical block of a block device; of a regular file
//           512, or what its file system wants for direct I/O.
// Shape     A regular file's size is what it is at open() and need be no multiple of the block; the
//           rest is readable and writable up to the end. Holes are told as kZero. Direct I/O takes
//           memory of any alignment: what is unaligned is copied once more.
// Errors    open(): kNotFound, kUsage (a directory, no direct I/O here), else as the system says. A
//           write to a device opened read-only is kUsage.
// Durable   flush() is fdatasync(). After a failed one Linux forgets which pages were dirty, so a
//           later success proves nothing (S10).
// Threads   All but refresh_size() is safe from several threads. The thread that opens sets
//           PR_SET_IO_FLUSHER first (T9).
// Lifetime  One open file description carries all I/O, so the lock of ownership is taken on fd()
//           (S8). The one exception, the partial last block in direct mode, is written through a
//           second, buffered one, and synchronously: no such write outlives the process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ddsnap/base/unique_fd.h"
#include "ddsnap/io/block_device.h"
#include "ddsnap/io/cache_footprint.h"
#include "ddsnap/io/device_access.h"
#include "ddsnap/io/direct_batch.h"
#include "ddsnap/io/file_facts.h"
#include "ddsnap/io/io_engine.h"

namespace ddsnap {

struct FileOptions {
  enum class Caching : std::uint8_t {
    kBuffered,  // through the page cache
    kDirect,    // O_DIRECT: what a kernel target uses too (T8)
    kAuto,      // kDirect for block devices, kBuffered for regular files
  };

  DeviceAccess access = DeviceAccess::kReadOnly;
  Caching caching = Caching::kAuto;
  IoEngineKind engine = IoEngineKind::kUring;
  // What buffered reads bring into the page cache is let go again.
  bool leaves_cache_alone = false;
  // With direct I/O on a regular file: what the page cache has anyway is copied from there. What
  // was read so need not be durable yet; flush() makes it so.
  bool reads_cached = false;
  // Zeros of a file that is sparse when it is opened are punched. Never for a snapstore (S9).
  bool keeps_sparse = false;
};

class FileDevice final : public BlockDevice {
 public:
  static Result<std::unique_ptr<FileDevice>> open(const std::string& path,
                                                  const FileOptions& options);

  const DeviceGeometry& geometry() const override { return facts_.geometry; }
  const std::string& name() const override { return name_; }
  Status run(std::span<IoRequest> batch) override;
  Status flush() override;
  Status discard(ByteRange range) override;
  Status write_zeroes(ByteRange range) override;
  Result<std::vector<Extent>> extents(ByteRange range) override;
  // Of what the kernel target serves.
  std::string proven_snapshot_uuid() const override;

  // For locks of ownership and for asking which device it is; owned by this object.
  int fd() const { return fd_.get(); }
  bool is_direct() const { return is_direct_; }
  bool is_block_device() const { return facts_.is_block_device; }
  // Takes over a size that changed since open(). Requires: nothing else is called meanwhile.
  Status refresh_size();

 private:
  FileDevice(std::string name, UniqueFd fd, const FileOptions& options, const FileFacts& facts);

  Status open_tail();
  Status open_cache();
  Result<UniqueFd> open_buffered(DeviceAccess access) const;
  Status check_changeable(ByteRange range) const;
  Status run_at_once(std::span<IoRequest> batch);
  Status run_direct_beside_cache(std::span<IoRequest> batch);
  Status run_admitted(std::span<IoRequest> batch);
  Status run_direct(std::span<IoRequest> batch, const DirectBatch::Limits& limits);
  int zero_range(ByteRange range) const;

  const std::string name_;
  const bool is_writable_;
  const bool is_direct_;
  const bool punches_;
  FileFacts facts_;
  UniqueFd fd_;
  UniqueFd tail_fd_;   // buffered; open only where a direct file ends in a partial block
  UniqueFd cache_fd_;  // buffered, to read by; open only where a direct file reads_cached
  std::unique_ptr<IoEngine> engine_;
  std::unique_ptr<CacheFootprint> footprint_;  // null: nobody asks what is in the cache
};

}  // namespace ddsnap
