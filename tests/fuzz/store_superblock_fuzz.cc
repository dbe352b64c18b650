// Bytes as the two superblocks of a snapstore, as they are and with their checksums made right:
// read, laid out over the device, and the store behind them opened.
#include <cstring>

#include "ddsnap/base/endian.h"
#include "ddsnap/base/hash.h"
#include "server/store/superblock_search.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/small_store.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kChecksumAt = kBlockBytes - 8;
constexpr std::size_t kStoreUuidAt = 16;
constexpr std::uint64_t kChecksumKind = 0x5342;

// A store with a snapshot and some copy-outs, its server killed.
const test::CowBytes& store_content() {
  static const test::CowBytes content = [] {
    test::SmallStore small(32, 1 << 20, 8);
    small.create();
    small.write(0, 20);
    small.kill();
    return small.snapstore.content();
  }();
  return content;
}

void make_checksum_right(std::span<std::byte> block) {
  Uuid store;
  std::memcpy(store.bytes.data(), block.data() + kStoreUuidAt, store.bytes.size());
  const le64 checksum(checksum_of(block.first(kChecksumAt), checksum_seed(store, kChecksumKind)));
  std::memcpy(block.data() + kChecksumAt, &checksum, sizeof checksum);
}

void open(std::span<const std::byte> copy0, std::span<const std::byte> copy1) {
  test::CowBytes content = store_content();
  content.write(kSuperblockOffsets[0], copy0);
  content.write(kSuperblockOffsets[1], copy1);
  test::MemoryDevice snapstore({.size_bytes = content.size()}, content, "snapstore");
  test::MemoryDevice origin(32 * 4096, "origin");
  (void)has_superblock_magic(snapstore);
  (void)read_superblock(snapstore, StoreRole::kData);
  (void)find_third_superblock(snapstore, false);
  const auto read = read_superblock(snapstore, StoreRole::kMetadata);
  SeededRandom random(1);
  const auto store = SnapStore::open({snapstore, origin}, {}, random);
  must(read || !store, "no store opens without a superblock");
}

Bytes superblock_bytes() {
  Bytes block(kBlockBytes);
  store_content().read(kSuperblockOffsets[0], block);
  return block;
}

}  // namespace

// The input replaces the beginnings of both copies of a good superblock, half of it each.
void run_one(std::span<const std::byte> input) {
  Bytes copies[2] = {superblock_bytes(), superblock_bytes()};
  const std::size_t half = std::min(input.size() / 2, kChecksumAt);
  std::ranges::copy(input.first(half), copies[0].begin());
  std::ranges::copy(input.subspan(half, half), copies[1].begin());
  open(copies[0], copies[1]);
  for (Bytes& copy : copies) make_checksum_right(copy);
  open(copies[0], copies[1]);
}

std::vector<Seed> make_seeds() {
  Bytes good = superblock_bytes();
  good.resize(192);
  Bytes twice = good;
  twice.insert(twice.end(), good.begin(), good.end());
  Bytes older = twice;
  older[192 + 32] = std::byte{0};  // sequence
  return {{"equal", twice}, {"stale-copy", older}};
}

}  // namespace ddsnap::fuzz
