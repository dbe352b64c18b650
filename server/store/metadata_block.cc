#include "server/store/metadata_block.h"

#include <fmt/format.h>

#include <cstring>

#include "ddsnap/base/hash.h"

namespace ddsnap {

namespace {

constexpr std::uint32_t kMagic = 0x424d4444;  // "DDMB"
constexpr std::size_t kChecksumOffset = offsetof(MetadataBlockHeaderDisk, checksum);

std::uint64_t block_checksum(std::span<const std::byte> block, std::uint64_t seed) {
  const std::uint64_t head = checksum_of(block.first(kChecksumOffset), seed);
  return checksum_of(block.subspan(sizeof(MetadataBlockHeaderDisk)), head);
}

}  // namespace

std::uint64_t checksum_seed(const Uuid& store, std::uint64_t kind) {
  return checksum_of(store.bytes, kind);
}

void seal_metadata_block(std::span<std::byte> block, const Uuid& store, ObjectId object,
                         std::uint32_t index, std::uint32_t location, std::uint32_t payload_bytes) {
  DD_CHECK(block.size() == kMetadataBlockBytes && payload_bytes <= kMetadataPayloadBytes);
  const std::size_t used = sizeof(MetadataBlockHeaderDisk) + payload_bytes;
  std::memset(block.data() + used, 0, block.size() - used);
  MetadataBlockHeaderDisk header{};
  header.magic = kMagic;
  header.type = static_cast<std::uint16_t>(object.type);
  header.owner = object.owner;
  header.index = index;
  header.location = location;
  header.payload_bytes = payload_bytes;
  std::memcpy(block.data(), &header, sizeof header);
  header.checksum =
      block_checksum(block, checksum_seed(store, static_cast<std::uint64_t>(object.type)));
  std::memcpy(block.data(), &header, sizeof header);
}

Result<std::span<const std::byte>> check_metadata_block(std::span<const std::byte> block,
                                                        const Uuid& store, ObjectId object,
                                                        std::uint32_t index,
                                                        std::uint32_t location) {
  MetadataBlockHeaderDisk header;
  std::memcpy(&header, block.data(), sizeof header);
  const auto type = static_cast<std::uint16_t>(object.type);
  const bool is_it = header.magic.get() == kMagic && header.type.get() == type &&
                     header.owner.get() == object.owner && header.index.get() == index &&
                     header.location.get() == location &&
                     header.payload_bytes.get() <= kMetadataPayloadBytes &&
                     header.checksum.get() == block_checksum(block, checksum_seed(store, type));
  if (!is_it)
    return fail(ErrorCode::kDamaged, fmt::format("metadata block {} is damaged (type {}, object "
                                                 "{:016x}, part {})",
                                                 location, type, object.owner, index));
  return block.subspan(sizeof header, header.payload_bytes.get());
}

}  // namespace ddsnap
