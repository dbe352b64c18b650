// The 4 KiB metadata block: what every run, change map and manifest is cut into, so that each says
// what it is and where it lies.
//
// Units     Block numbers count 4 KiB blocks from the start of the table region.
// Shape     A 48-byte header and up to kMetadataPayloadBytes of payload; layout in SNAPSTORE.md,
// section 5. Errors    check_metadata_block: kDamaged naming the block, for anything but the block
// that was written there (S5). Threads   Plain functions.
#pragma once

#include <cstdint>
#include <span>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/result.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

inline constexpr std::uint32_t kMetadataBlockBytes = 4096;

enum class MetadataType : std::uint16_t { kRun = 1, kChangeMap = 2, kManifest = 3 };

// Which object a block belongs to. `owner` is never reused: 32 random bits of this opening of the
// store, then a count.
struct ObjectId {
  MetadataType type = MetadataType::kRun;
  std::uint64_t owner = 0;
};

struct MetadataBlockHeaderDisk {
  le32 magic;
  le16 type;
  le16 reserved;
  le64 owner;
  le32 index;     // of this block within its object
  le32 location;  // its own block number
  le32 payload_bytes;
  le32 reserved2;
  le64 reserved3;
  le64 checksum;  // XXH3-64 of the whole block with this field zero, salted by store and type
};
static_assert(sizeof(MetadataBlockHeaderDisk) == 48);

inline constexpr std::uint32_t kMetadataPayloadBytes =
    kMetadataBlockBytes - sizeof(MetadataBlockHeaderDisk);

// Writes the header over a block whose payload is in place; zeroes the rest.
void seal_metadata_block(std::span<std::byte> block, const Uuid& store, ObjectId object,
                         std::uint32_t index, std::uint32_t location, std::uint32_t payload_bytes);

// The payload, if the block is exactly the one asked for.
Result<std::span<const std::byte>> check_metadata_block(std::span<const std::byte> block,
                                                        const Uuid& store, ObjectId object,
                                                        std::uint32_t index,
                                                        std::uint32_t location);

// The seed that salts checksums of one kind of block of one store.
std::uint64_t checksum_seed(const Uuid& store, std::uint64_t kind);

}  // namespace ddsnap
