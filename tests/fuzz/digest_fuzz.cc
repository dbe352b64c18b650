// Bytes as a digest, as they are and with their checksums made right, compared with a device: what
// is accepted gives a well-formed changelist.
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "ddsnap/delta/compare.h"
#include "ddsnap/delta/digest_file.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/delta_world.h"

namespace ddsnap::fuzz {

namespace {

// DELTA.md, section 7.
constexpr std::uint64_t kHeaderSeed = 0x5453474948444444;
constexpr std::uint64_t kBlockSeed = 0x4b424749444444;
constexpr std::size_t kCountAt = 12;
constexpr std::size_t kKindAt = 4;
constexpr std::size_t kVolumeBytesAt = 32;
constexpr std::uint64_t kMaxVolumeBytes = 16 << 20;

void put(std::span<std::byte> bytes, std::size_t at, std::uint64_t value) {
  const le64 disk(value);
  std::memcpy(bytes.data() + at, &disk, sizeof disk);
}

void make_checksums_right(Bytes& bytes) {
  if (bytes.size() < kDigestHeaderBytes) return;
  put(bytes, kDigestHeaderBytes - 8,
      checksum_of(std::span(bytes).first(kDigestHeaderBytes - 8), kHeaderSeed));
  std::size_t at = kDigestHeaderBytes;
  while (at + kDigestBlockBytes <= bytes.size()) {
    const auto block = std::span(bytes).subspan(at);
    le32 count;
    std::memcpy(&count, block.data() + kCountAt, sizeof count);
    const bool has_hashes = block[kKindAt] == std::byte{1};
    const std::uint64_t hashes_bytes =
        std::min<std::uint64_t>(has_hashes ? std::uint64_t{count.get()} * kDigestHashBytes : 0,
                                block.size() - kDigestBlockBytes);
    put(block, 16, checksum_of_digest_hashes(block.subspan(kDigestBlockBytes, hashes_bytes)));
    put(block, 24, checksum_of(block.first(24), kBlockSeed));
    at += kDigestBlockBytes + hashes_bytes;
    if (block[kKindAt] == std::byte{3}) break;
  }
  if (bytes.size() < at + kDigestHashBytes) return;
  const Hash128 hash = hash128_of(std::span(bytes).first(at));
  std::memcpy(bytes.data() + at, hash.bytes.data(), kDigestHashBytes);
}

void check_one(const Bytes& bytes) {
  if (bytes.size() >= kDigestHeaderBytes) {
    le64 volume_bytes;
    std::memcpy(&volume_bytes, bytes.data() + kVolumeBytesAt, sizeof volume_bytes);
    if (volume_bytes.get() > kMaxVolumeBytes) return;  // right, but it would take its time
  }
  static const Bytes content = test::make_volume(5, 30 << 10, 4096);
  const auto device = test::device_of(content);
  MemorySource source(bytes, false);
  WorkContext context;
  context.workers = 1;
  const auto list = compare_with_digest(source, *device, context);
  if (!list) return must(!list.error().text.empty(), "an error has a sentence");
  must(list->check().has_value(), "a changelist that was made is well-formed");
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  Bytes bytes(input.begin(), input.end());
  check_one(bytes);
  make_checksums_right(bytes);
  check_one(bytes);
}

std::vector<Seed> make_seeds() {
  return golden_seeds("digest_v1.hex");
}

}  // namespace ddsnap::fuzz
