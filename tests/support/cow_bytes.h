// A large array of bytes that is cheap to copy: pages are shared until one of the copies writes.
//
// Units     Bytes; pages of kPageBytes. A page never written reads as zeros and takes no memory.
// Threads   None inside; the caller serialises the use of one object. Copies are independent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ddsnap::test {

class CowBytes {
 public:
  static constexpr std::size_t kPageBytes = 4096;

  explicit CowBytes(std::uint64_t size_bytes = 0);

  std::uint64_t size() const { return size_bytes_; }
  // Requires of all three: the range lies inside.
  void read(std::uint64_t offset_bytes, std::span<std::byte> into) const;
  void write(std::uint64_t offset_bytes, std::span<const std::byte> from);
  void fill(std::uint64_t offset_bytes, std::uint64_t length_bytes, std::byte value);
  // Whether the page that holds this byte was never written.
  bool is_hole(std::uint64_t offset_bytes) const { return !pages_[offset_bytes / kPageBytes]; }
  std::vector<std::byte> to_vector() const;

  friend bool operator==(const CowBytes& a, const CowBytes& b);

 private:
  using Page = std::array<std::byte, kPageBytes>;
  Page& writable_page(std::uint64_t offset_bytes);

  std::uint64_t size_bytes_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;  // shared between copies: that is the point
};

}  // namespace ddsnap::test
