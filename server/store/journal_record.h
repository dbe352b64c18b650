// The journal's records as they lie in the ring, valid ones only: what replay follows, and what
// check, repair and dump look at.
//
// Units     Offsets are bytes from the start of the journal region.
// Shape     A 64-byte header and the operations, padded to journal_unit_bytes; layout in
//           SNAPSTORE.md, section 4.
// Errors    JournalRings::read: kIo as the device says.
// Threads   Plain values.
// Lifetime  A record's operations lie in its ring's memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/uuid.h"
#include "ddsnap/io/block_device.h"
#include "server/store/layout.h"

namespace ddsnap {

inline constexpr std::size_t kRecordHeaderBytes = 64;

// Where the next record goes, and what it must chain to.
struct JournalPosition {
  std::uint64_t next_offset_bytes = 0;
  std::uint64_t last_number = 0;
  std::uint64_t last_checksum = 0;
};

struct JournalRecord {
  std::uint64_t offset_bytes = 0;
  std::uint64_t length_bytes = 0;  // with its padding
  std::uint64_t number = 0;
  std::uint64_t previous_checksum = 0;
  std::uint64_t checksum = 0;
  bool is_seal = false;
  std::span<const std::byte> operations;

  JournalPosition end() const { return {offset_bytes + length_bytes, number, checksum}; }
};

// Writes header and operations over the start of `into`, zeros up to `padded_bytes`. Returns the
// record's checksum. Requires: they fit.
std::uint64_t encode_record(const Uuid& store, const JournalPosition& after, bool is_seal,
                            std::span<const std::byte> operations, std::uint64_t padded_bytes,
                            std::span<std::byte> into);

// The valid record of this store, whatever its number, that begins `bytes`, which lie at that
// offset of the ring.
std::optional<JournalRecord> decode_record(std::span<const std::byte> bytes,
                                           std::uint64_t offset_bytes, std::uint64_t unit_bytes,
                                           const Uuid& store);

// All of both rings, in memory. What one has is enough.
class JournalRings {
 public:
  static Result<JournalRings> read(BlockDevice& metadata, const Layout& layout, const Uuid& store);

  // The one that continues the chain: behind the last one or, where it did not fit there, at the
  // start of a ring. A seal behind the last one may be older than a record of the same number at
  // the start, or in the other ring: the record wins.
  std::optional<JournalRecord> next(const JournalPosition& position) const;
  // Those numbered higher than `number`, ascending; of two with the same number (a seal and the
  // record that took its place) the record.
  std::vector<JournalRecord> later_than(std::uint64_t number) const;
  // Whether both rings have this very record.
  bool is_in_both(const JournalRecord& record) const;

 private:
  JournalRings(const Layout& layout, const Uuid& store)
      : rings_{AlignedBuffer(layout.journal_bytes), AlignedBuffer(layout.journal_bytes)},
        unit_bytes_(layout.journal_unit_bytes),
        store_(store) {}
  std::optional<JournalRecord> at(const AlignedBuffer& ring, std::uint64_t offset_bytes) const;

  std::array<AlignedBuffer, kJournalRings> rings_;
  std::uint64_t unit_bytes_;
  Uuid store_;
};

}  // namespace ddsnap
