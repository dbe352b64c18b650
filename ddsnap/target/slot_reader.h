// Reads parts of a snapshot's chunks from where the server said they are, and proves them by their
// hashes (S5).
//
// Units     Bytes of the volume outside, slots inside.
// Errors    kDamaged with the chunk for a hash that does not fit or a slot beyond the snapstore;
// else as the devices.
// Threads   As the devices.
// Lifetime  Borrows devices and buffers for one call.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ddsnap/io/block_device.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

struct SlotGeometry {
  ChunkGeometry geometry;
  std::uint64_t slots_offset_bytes = 0;
  std::uint64_t slot_count = 0;

  std::uint64_t offset_of(SlotNr slot) const {
    return slots_offset_bytes + (std::uint64_t{slot.value} << geometry.chunk_shift);
  }
};

// One chunk's part of a request.
struct ChunkPart {
  LocatedEntry entry;
  std::uint32_t skip_bytes = 0;  // from the chunk's start
  std::span<std::byte> bytes;
};

// `buffer` cut at the chunks' borders. Requires: as many entries as chunks touched, in order.
std::vector<ChunkPart> cut_into_parts(const ChunkGeometry& geometry, std::uint64_t offset_bytes,
                                      std::span<std::byte> buffer,
                                      std::span<const LocatedEntry> entries);

// Fills the parts that are in slots or zero; those at the origin are left alone.
Status read_slots(BlockDevice& snapstore, const SlotGeometry& slots, std::span<ChunkPart> parts);
// Writes parts whose entries are all kPrivate. Does not flush.
Status write_private_slots(BlockDevice& snapstore, const SlotGeometry& slots,
                           std::span<const ChunkPart> parts);

}  // namespace ddsnap
