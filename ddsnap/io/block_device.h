// The one seam through which all storage is read and written: a device, a file, an NBD export, a
// snapshot, or a test's fake.
//
// Units     Bytes. Offsets and lengths of requests are multiples of geometry().block_bytes, except
//           that the last block of a device whose size is no such multiple may be read and written
//           up to the end.
// Shape     A batch of requests is submitted together and waited for; the requests of one batch may
//           complete in any order, so they must not overlap where one of them writes. Memory of any
//           alignment is accepted.
// Errors    Each request carries its own status; run() returns the first failure. Out of range is
//           kUsage; a read beyond the end never returns short. kNoSpace where the device says
//           ENOSPC, else kIo with the errno. After a failed write the content of its range is
//           unknown.
// Durable   Nothing before flush() succeeded. A failed flush may never be trusted away by a later
//           good one (S10).
// Threads   Safe from several threads, unless an implementation says otherwise (a SimDevice is
//           deterministic under one thread only).
// Lifetime  Request buffers are borrowed until run() returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"

namespace ddsnap {

struct DeviceGeometry {
  std::uint64_t size_bytes = 0;
  std::uint32_t block_bytes = 512;     // unit of addressing (logical block size); a power of two
  std::uint32_t physical_bytes = 512;  // unit below which a power cut may hurt neighbours
};

struct IoRequest {
  enum class Kind : std::uint8_t { kRead, kWrite };

  Kind kind = Kind::kRead;
  std::uint64_t offset_bytes = 0;
  std::byte* data = nullptr;  // kWrite only reads through it
  std::size_t length_bytes = 0;
  Status status = {};  // set by run()

  static IoRequest read(std::uint64_t offset_bytes, std::span<std::byte> into) {
    return {Kind::kRead, offset_bytes, into.data(), into.size(), {}};
  }
  static IoRequest write(std::uint64_t offset_bytes, std::span<const std::byte> from) {
    return {Kind::kWrite, offset_bytes, const_cast<std::byte*>(from.data()), from.size(), {}};
  }
};

// What a stretch of a device is known to hold, without reading it.
struct Extent {
  enum class Kind : std::uint8_t {
    kData,
    kZero,       // reads as zeros
    kUnchanged,  // same as the older end of a FROM..TO view; content is there and is not zero
  };
  ByteRange range;
  Kind kind = Kind::kData;
};

class BlockDevice {
 public:
  virtual ~BlockDevice() = default;
  BlockDevice() = default;
  BlockDevice(const BlockDevice&) = delete;
  BlockDevice& operator=(const BlockDevice&) = delete;

  virtual const DeviceGeometry& geometry() const = 0;
  // For messages: the path or URI it was opened by.
  virtual const std::string& name() const = 0;

  // Runs the whole batch and returns when all of it is done. Requires: see "Units" and "Shape"
  // above.
  virtual Status run(std::span<IoRequest> batch) = 0;
  // Everything written before, by this object, is durable afterwards.
  virtual Status flush() = 0;
  // Advice: content of the range is unspecified afterwards. The default does nothing.
  virtual Status discard(ByteRange range);
  // The range reads as zeros afterwards. The default writes zeros.
  virtual Status write_zeroes(ByteRange range);
  // What is known of the range without reading it, in order, covering it. The default: all kData.
  virtual Result<std::vector<Extent>> extents(ByteRange range);
  // Advice: these will be read soon, so that what it takes to find them can be asked for at once.
  // The default does nothing.
  virtual Status will_read(std::span<const ByteRange> ranges);
  // The uuid of the snapshot that this device proves to be, as text; the nil uuid where it proves
  // to be none (a live origin); empty where nothing is proven (D5).
  virtual std::string proven_snapshot_uuid() const { return {}; }

  // One request.
  Status read_at(std::uint64_t offset_bytes, std::span<std::byte> into);
  Status write_at(std::uint64_t offset_bytes, std::span<const std::byte> from);
  std::uint64_t size_bytes() const { return geometry().size_bytes; }
};

// kUsage unless every request of the batch lies inside the device and on its blocks.
// Implementations call it first.
Status check_batch(const BlockDevice& device, std::span<const IoRequest> batch);
// What run() of an implementation begins with: check_batch(), and kUsage for a write where
// is_writable is false. A refused batch is refused whole: nothing is done and every request carries
// the refusal.
Status admit_batch(const BlockDevice& device, std::span<IoRequest> batch, bool is_writable = true);
// kUsage unless the range lies inside the device: for discard, write_zeroes and extents.
Status check_range(const BlockDevice& device, ByteRange range);

}  // namespace ddsnap
