// Where things lie on the metadata device and on the snapstore: sizes chosen at initialize, kept in
// the superblock.
//
// Units     Bytes from the start of the device that carries the thing.
// Shape     metadata device: nothing | superblock copy 0 | copy 1 | journal | table region |
//           superblock copy 2 | the journal's second ring; then, on one device only, the slots.
//           A snapstore whose metadata lies elsewhere carries a superblock of role "data" in the
//           first two places, then the slots.
// Source    SNAPSTORE.md, section 2.
#pragma once

#include <cstdint>

#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "server/store/snap_store.h"

namespace ddsnap {

inline constexpr std::uint64_t kSuperblockOffsets[2] = {4096, 32768};
// Of a metadata device: the third lies where nobody who overwrites the start of a device gets to.
inline constexpr int kSuperblockCopies = 3;
inline constexpr std::uint64_t kJournalOffset = 65536;  // of its first ring
inline constexpr std::size_t kJournalRings = 2;         // with the same records at the same places
inline constexpr std::uint64_t kMetadataPageBytes = 4096;

struct Layout {
  unsigned chunk_shift = kDefaultChunkShift;
  std::uint32_t journal_unit_bytes = 512;  // records are whole multiples of it
  std::uint64_t journal_bytes = 0;         // of one ring
  std::uint64_t tables_offset_bytes = 0;
  std::uint64_t table_blocks = 0;
  std::uint64_t slots_offset_bytes = 0;
  std::uint64_t slot_count = 0;

  std::uint64_t slot_offset_bytes(SlotNr slot) const {
    return slots_offset_bytes + (std::uint64_t{slot.value} << chunk_shift);
  }
  std::uint64_t end_of_slots_bytes() const {
    return slots_offset_bytes + (slot_count << chunk_shift);
  }
  std::uint64_t block_offset_bytes(std::uint32_t block) const {
    return tables_offset_bytes + std::uint64_t{block} * kMetadataPageBytes;
  }
  std::uint64_t superblock_offset_bytes(int copy) const {
    return copy < 2 ? kSuperblockOffsets[copy]
                    : tables_offset_bytes + table_blocks * kMetadataPageBytes;
  }
  std::uint64_t journal_offset_bytes(std::size_t ring) const {
    return ring == 0 ? kJournalOffset : superblock_offset_bytes(2) + kMetadataPageBytes;
  }
  std::uint64_t end_of_metadata_bytes() const {
    return journal_offset_bytes(kJournalRings - 1) + journal_bytes;
  }
};

// kUsage with the reason when no useful store fits.
Result<Layout> choose_layout(const StoreDevices& devices, const StoreFormat& format);

// How many slots there would be on a snapstore of this size.
std::uint64_t slots_that_fit(const Layout& layout, std::uint64_t snapstore_bytes);

// kDamaged unless every region lies inside its device and in order: what a superblock says is
// checked by this too.
Status check_layout(const Layout& layout, const StoreDevices& devices);
// The same for what lies on the metadata device alone.
Status check_metadata_layout(const Layout& layout, const BlockDevice& metadata);

}  // namespace ddsnap
