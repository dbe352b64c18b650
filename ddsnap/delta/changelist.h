// Which chunks differ between two snapshots, and the hash that each had in the older one.
//
// Units     Chunks of 1 << chunk_shift bytes; sizes in bytes.
// Shape     Ascending, disjoint, non-touching ranges; hashes stand beside them in the same order.
//           Memory grows with ranges and known hashes and not with the volume.
// Errors    check() says kDamaged for anything that is no changelist; the file reader calls it, so
//           that nothing below needs to.
// Threads   A plain value.
// Source    DESIGN.md section 4 (D6); the file is DELTA.md, section 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

struct Changelist {
  Uuid from_uuid;  // nil: not known (two plain devices), or none (from_bytes is 0)
  Uuid to_uuid;    // nil: not known, or "now"
  std::string from_tag;
  std::string to_tag;
  std::uint64_t from_bytes = 0;
  std::uint64_t to_bytes = 0;
  unsigned chunk_shift = kDefaultChunkShift;
  bool to_is_now = false;  // an instant that passes: good for lists, never for deltas (D5)

  std::vector<ChunkRange> ranges;
  // Of the whole chunk in the from snapshot, zero-padded at from_bytes (T8). Empty: none is known;
  // else one for each chunk of the ranges, in their order.
  std::vector<std::optional<ChunkHash>> before;

  // Adds a chunk. Requires: it lies after all chunks so far.
  void append(ChunkNr chunk, std::optional<ChunkHash> before_hash);
  // Adds chunks with unknown hashes. Requires: they lie after all chunks so far; count > 0.
  void append(ChunkRange range);
  std::uint64_t chunk_count() const;

  ChunkGeometry from_geometry() const { return {chunk_shift, from_bytes}; }
  ChunkGeometry to_geometry() const { return {chunk_shift, to_bytes}; }
  std::uint64_t smaller_bytes() const { return std::min(from_bytes, to_bytes); }
  // There is no older side: every chunk of the newer one is named.
  bool is_full() const { return from_bytes == 0; }

  // Order, bounds, counts, tags, and D6: between sizes, every chunk from the smaller end on.
  Status check() const;
};

// One that names every chunk of a volume and no older side: the list of a full delta.
Changelist full_changelist(ChunkGeometry to, const Uuid& to_uuid, std::string to_tag);

// Whether text may stand as a tag in a changelist or delta: at most kMaxTagBytes printable bytes.
Status check_stored_tag(const std::string& tag);

// kDamaged or kUsage unless chunk shift and sizes are such that 32-bit chunk numbers reach the end.
Status check_volume(unsigned chunk_shift, std::uint64_t from_bytes, std::uint64_t to_bytes);

// Walks the chunks in order. Borrows the list.
class ChangelistCursor {
 public:
  explicit ChangelistCursor(const Changelist& list) : list_(list) {}

  struct Item {
    ChunkNr chunk;
    std::optional<ChunkHash> before;
  };
  std::optional<Item> next();
  // The chunks from here to the end of their range; no chunks at the end of the list.
  ChunkRange rest_of_range() const;
  // Requires: count <= rest_of_range().count.
  void skip(std::uint32_t count);

 private:
  const Changelist& list_;
  std::size_t range_index_ = 0;
  std::uint32_t in_range_ = 0;
  std::size_t chunk_index_ = 0;
};

}  // namespace ddsnap
