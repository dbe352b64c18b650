// The superblock: where recovery begins. Three copies, all written and flushed at every checkpoint
// before anything that their predecessor named is used again (S3): two at the start of the device,
// the third behind the table region, where the first two tell.
//
// Shape     4 KiB; layout in SNAPSTORE.md, section 3. A snapstore with its metadata elsewhere
//           carries the same block with role "data", twice.
// Errors    read: kNotInitialized where there is no store, kVersion for another format, kDamaged
//           when both copies at the start are (superblock_search.h then finds the third).
// Threads   Plain functions and values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/uuid.h"
#include "server/store/blob.h"
#include "server/store/journal.h"
#include "server/store/ladder.h"
#include "server/store/layout.h"

namespace ddsnap {

inline constexpr std::uint32_t kStoreVersion = 3;

// The store has failed and takes no changes before an administrator says so (S10).
enum class ClosedMark : std::uint32_t { kNone = 0, kOriginStopped = 1, kOriginWentOn = 2 };

enum class StoreRole : std::uint32_t { kMetadata = 1, kData = 2 };

struct Superblock {
  StoreRole role = StoreRole::kMetadata;
  Uuid store;
  std::uint64_t sequence = 0;  // grows with every checkpoint
  std::uint64_t generation =
      0;  // grows with every opening: keeps metadata and data devices together
  std::uint64_t created_ns = 0;
  Layout layout;
  JournalPosition journal;           // of the last record that the manifest includes
  std::array<BlobRef, 2> manifests;  // of the same bytes; empty with role "data"
  ClosedMark closed = ClosedMark::kNone;
  std::string closed_why;  // at most kMaxStepDownTextBytes
};

struct SuperblockRead {
  Superblock superblock;
  std::vector<std::string> findings;  // copies that were damaged while another was good
  std::vector<int> stale_copies;      // copies that are not this superblock: damaged or older
};

Result<SuperblockRead> read_superblock(BlockDevice& device, StoreRole role);
// How many copies the device carries.
int superblock_copies(StoreRole role);
// One copy by itself, of either role: for those who want to see all there is. `layout` tells where
// copy 2 is; a copy that says it belongs elsewhere is kDamaged.
Result<Superblock> read_superblock_copy(BlockDevice& device, int copy, const Layout& layout = {});
// A copy that lies at `offset_bytes`, wherever that is.
Result<Superblock> read_superblock_at(BlockDevice& device, std::uint64_t offset_bytes);
// Metadata and data device must be of one store, and of one opening of it: a copy of either
// restored by itself is refused. What comes back is the data device's own, with its damaged copies.
// A mark that only the data device could take is taken over.
Result<SuperblockRead> check_data_device(BlockDevice& snapstore, Superblock& metadata);
// Writes and flushes copy 0, then the others. Requires: all are the predecessor; else the write of
// copy 0 could leave one whose manifest is gone as the only good one.
Status write_superblock(BlockDevice& device, const Superblock& superblock);
// Writes and flushes all; a success means that at least one copy is durable.
Status write_any_superblock_copy(BlockDevice& device, const Superblock& superblock);
// As a snapstore carries it whose metadata is elsewhere.
Superblock data_superblock(const Superblock& metadata);
Status write_superblock_copy(BlockDevice& device, const Superblock& superblock, int copy);
// Whether the block begins as a superblock does, of whatever version.
bool is_superblock_magic(std::span<const std::byte> block);
// Whether the place of copy 0 or 1 carries the magic.
Result<bool> has_superblock_magic(BlockDevice& device);

}  // namespace ddsnap
