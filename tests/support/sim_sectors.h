// What the sectors of one image hold now, and what a power cut may leave in their place.
//
// Units     Sectors.
// Shape     A write that is not flushed leaves its sector in doubt: anything it held since it was
//           last durable may come back. A flush ends doubts, but what a failed flush lost stays in
//           doubt until it is written and flushed again (S10).
// Threads   None inside.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "tests/support/sim_content.h"

namespace ddsnap::test {

class SimSectors {
 public:
  SimSectors() = default;
  explicit SimSectors(std::size_t count) : now_(count) {}

  std::size_t count() const { return now_.size(); }
  ContentId at(std::uint32_t sector) const { return now_[sector]; }
  bool is_in_doubt(std::uint32_t sector) const { return doubts_.contains(sector); }

  void write(std::uint32_t sector, ContentId content);
  void on_flush();
  void on_failed_flush();
  // Power is back: says what the sector holds, of all that it may. False: something else.
  bool settle(std::uint32_t sector, std::span<const std::byte> bytes, SimContents& contents);
  void forget_doubts() { doubts_.clear(); }

 private:
  struct Doubt {
    std::vector<ContentId> may_be;  // oldest first; the last is what reads see
    std::size_t lost = 0;           // so many of them no later flush makes durable
  };

  std::vector<ContentId> now_;
  std::map<std::uint32_t, Doubt> doubts_;
};

}  // namespace ddsnap::test
