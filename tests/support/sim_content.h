// What sectors may hold, each by a number: the bytes are made from it when they are wanted.
//
// Units     Sectors of kSimSectorBytes. Content 0 is zeros. The same content has other bytes in
//           another sector, so that a sector out of place is noticed.
// Shape     Bytes that are nobody's (a torn write) get a number of their own with adopt().
// Threads   None inside.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>

#include "tests/support/sim_device.h"

namespace ddsnap::test {

using ContentId = std::uint32_t;

class SimContents {
 public:
  using SectorBytes = std::array<std::byte, kSimSectorBytes>;

  ContentId make() { return ++last_; }
  SectorBytes bytes_of(ContentId content, std::uint32_t sector) const;
  bool matches(ContentId content, std::uint32_t sector, std::span<const std::byte> bytes) const;
  ContentId adopt(std::span<const std::byte> bytes);

 private:
  ContentId last_ = 0;
  std::unordered_map<ContentId, SectorBytes> adopted_;
};

}  // namespace ddsnap::test
