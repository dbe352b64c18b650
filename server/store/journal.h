// The journal: a ring of chained records, one for each commit since the last checkpoint; twice, so
// that a bad block in it costs nothing.
//
// Units     Offsets are bytes from the start of a ring; a record is at the same one in both.
// Shape     A record is a 64-byte header and its operations, padded to journal_unit_bytes; it never
// crosses the end of the ring.
//           Layout in SNAPSTORE.md, section 4.
// Errors    replay: tells when a record is missing or bad but a later one is there (S3): the end
// and damage are never confused. Durable   The caller writes the planned request together with the
// slots and flushes; then committed(). Threads   None inside; the caller serialises. Lifetime
// Borrows the device.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ddsnap/base/aligned_buffer.h"
#include "ddsnap/base/random.h"
#include "ddsnap/base/uuid.h"
#include "ddsnap/io/block_device.h"
#include "server/store/journal_record.h"
#include "server/store/layout.h"

namespace ddsnap {

class Journal {
 public:
  Journal(BlockDevice& metadata, const Layout& layout, const Uuid& store);

  struct Replayed {
    std::uint64_t records = 0;
    // The last record was followed by its seal or by nothing that needs one: its flush succeeded
    // before the crash.
    bool is_last_proven = true;
    // Of records that must be in both rings, how many are not, and the number of the first.
    std::uint64_t halved_records = 0;
    std::uint64_t first_halved = 0;
  };
  // Reads all records after `start`, oldest first, and stands behind the last one. `apply` gets the
  // operations of each. `lost` gets the error that says which one is missing although a later one
  // is there; without one that error ends the replay, as every error of theirs does, and otherwise
  // it goes on with that later record.
  Result<Replayed> replay(const JournalPosition& start,
                          const std::function<Status(std::span<const std::byte>)>& apply,
                          const std::function<Status(const Error&)>& lost = {});
  // Reads what is on the device again, from `from` on, which the chain must have held, until
  // about `budget_bytes` are read. Where to go on; none when all up to the last record is right.
  // kDamaged, kIo. The bytes read are added to `bytes_read`.
  Result<std::optional<JournalPosition>> check(JournalPosition from, std::size_t budget_bytes,
                                               std::uint64_t& bytes_read) const;
  // After replay: a new chain that no leftover record can belong to.
  void start_new_chain(RandomSource& random);

  // Whether a record with this many bytes of operations fits, and after it a seal and
  // `spare_records` small ones (S9).
  bool has_room(std::size_t operation_bytes, unsigned spare_records) const;
  // The requests that write the next record to both rings. Valid until the next plan. Requires:
  // has_room(operations.size(), 0).
  std::array<IoRequest, kJournalRings> plan(std::span<const std::byte> operations);
  // The planned record is durable.
  void committed();
  // An empty record behind the last one, so that a rotten last record is told from a torn one (S3).
  // Not flushed; the next record takes its place.
  Status seal();
  bool is_sealed() const { return is_sealed_; }

  const JournalPosition& position() const { return position_; }
  // A checkpoint that includes everything up to now is durable: all space is free.
  void released() { tail_offset_ = position_.next_offset_bytes; }
  std::uint64_t used_bytes() const;
  std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  std::uint64_t padded(std::size_t operation_bytes) const;
  // Where a record of this padded length goes: the next offset, or 0 when it would cross the end.
  std::uint64_t place_for(std::uint64_t length_bytes) const;
  std::array<IoRequest, kJournalRings> encode(std::span<const std::byte> operations, bool is_seal);
  JournalPosition follow_chain(std::span<const std::byte> window, std::uint64_t offset_bytes,
                               JournalPosition from) const;

  BlockDevice& device_;
  Layout layout_;
  Uuid store_;
  std::uint64_t size_bytes_;
  std::uint32_t unit_bytes_;
  JournalPosition position_;
  std::uint64_t tail_offset_ = 0;
  AlignedBuffer record_;
  JournalPosition planned_;
  bool is_sealed_ = true;
};

}  // namespace ddsnap
