// Where things lie on the metadata device and on the snapstore: sizes chosen at initialize, kept in
// the superblock.
//
// Units     Bytes from the start of the device that carries the thing.
// Shape     metadata device: nothing | superblock copy 0 | copy 1 | journal | table region; then,
// on one device only, the slots.
//           A snapstore whose metadata lies elsewhere carries a superblock of role "data" in both
//           places, then the slots.
// Source    SNAPSTORE.md, section 2.
#pragma once

#include <cstdint>

#include "ddsnap/base/result.h"
#include "ddsnap/base/units.h"
#include "server/store/snap_store.h"

namespace ddsnap {

inline constexpr std::uint64_t kSuperblockOffsets[2] = {4096, 32768};
inline constexpr std::uint64_t kJournalOffset = 65536;
inline constexpr std::uint64_t kMetadataPageBytes = 4096;

struct Layout {
  unsigned chunk_shift = kDefaultChunkShift;
  std::uint32_t journal_unit_bytes = 512;  // records are whole multiples of it
  std::uint64_t journal_bytes = 0;
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
