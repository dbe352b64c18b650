// Finds the table that answers for a snapshot: the smallest live epoch at or after it that has the
// chunk.
//
// Shape     The live tables by epoch, and above them, once there are many, union bitmaps over
//           groups of 64 and 4096 epochs, so that a lookup among 65,536 snapshots probes some
//           dozens of bitmaps and not all (T7). Each level costs two bytes for each exception. A
//           union may hold too much (after a delete), never too little. Unions are of regions: the
//           chunks of a volume of up to 2^24, and above that as many neighbours together as leave
//           2^24 regions. A bitmap costs some 100 bytes for each 65,536 numbers of which any is
//           there, so that exact unions over a large volume would take several times the memory of
//           the tables themselves.
// Threads   None inside.
// Lifetime  Borrows the tables; they stay where they are from add() to remove().
#pragma once

#include <array>
#include <map>
#include <optional>
#include <roaring/roaring.hh>

#include "ddsnap/base/units.h"
#include "server/store/table.h"

namespace ddsnap {

class LiveIndex {
 public:
  void add(Epoch epoch, const Table& table);
  void remove(Epoch epoch);
  // The table of `epoch` got these.
  void note_key(Epoch epoch, ChunkNr chunk);
  void note_keys(Epoch epoch, const ChunkSet& keys);

  std::size_t size() const { return live_.size(); }
  Epoch newest() const { return live_.empty() ? Epoch{} : Epoch{live_.rbegin()->first}; }
  // The live epoch just before `epoch`; 0 if none.
  Epoch before(Epoch epoch) const;

  const Table* find(Epoch from, ChunkNr chunk) const;

 private:
  static constexpr unsigned kLevels = 2;
  static constexpr unsigned kBitsPerLevel = 6;
  static constexpr std::size_t kManyTables = 64;
  static constexpr unsigned kRegionBits = 24;
  bool has_unions() const { return live_.size() > kManyTables || !unions_[0].empty(); }
  void build_unions();
  std::uint32_t region_of(std::uint32_t chunk) const { return chunk >> region_shift_; }
  // Makes regions so large that `chunk` has one, in all unions.
  void coarsen_for(std::uint32_t chunk);
  // The first epoch of the next group if some group around `epoch` surely lacks the chunk.
  std::optional<std::uint64_t> skip_to(std::uint64_t epoch, ChunkNr chunk) const;

  std::map<std::uint64_t, const Table*> live_;
  std::array<std::map<std::uint64_t, Roaring>, kLevels> unions_;
  unsigned region_shift_ = 0;  // chunks of a region, as a power of two
};

}  // namespace ddsnap
