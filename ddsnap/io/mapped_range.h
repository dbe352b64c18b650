// A stretch of a file in memory, without a copy of it.
//
// Shape     Read-only; its pages are there when it is made, as far as the kernel can tell.
// Errors    Who reads it after the file was cut short, or when the disk fails under a page that
// left
//           memory meanwhile, gets SIGBUS: see end_on_bus_error().
// Threads   May be read by several.
// Lifetime  Unmapped at the end.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "ddsnap/base/units.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

class MappedRange {
 public:
  // Whether the device is a regular file that is read through the page cache.
  static bool is_possible(const BlockDevice& device);
  // Nothing where the range cannot be mapped or read: then read it, and learn why. Safe from
  // several threads. Requires: is_possible(); the range lies inside the device and is not empty.
  static std::optional<MappedRange> map(const BlockDevice& device, ByteRange range);

  MappedRange(MappedRange&& other) noexcept
      : start_(std::exchange(other.start_, nullptr)),
        mapped_bytes_(other.mapped_bytes_),
        bytes_(other.bytes_) {}
  MappedRange& operator=(MappedRange&& other) noexcept {
    std::swap(start_, other.start_);
    std::swap(mapped_bytes_, other.mapped_bytes_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedRange();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  MappedRange(void* start, std::size_t mapped_bytes, std::span<const std::byte> bytes)
      : start_(start), mapped_bytes_(mapped_bytes), bytes_(bytes) {}

  void* start_;
  std::size_t mapped_bytes_;
  std::span<const std::byte> bytes_;
};

// From now on a SIGBUS ends the process with one line and exit status 1 instead of a core. For
// programs that map files and write nothing that must not stay half done.
void end_on_bus_error();

}  // namespace ddsnap
