// The superblock: where recovery begins. Two copies, both written and flushed at every checkpoint
// before anything that their predecessor named is used again (S3).
//
// Shape     4 KiB; layout in SNAPSTORE.md, section 3. A snapstore with its metadata elsewhere
// carries the same block with role "data". Errors    read: kNotInitialized where there is no store,
// kVersion for another format, kDamaged when both copies are. Threads   Plain functions and values.
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

inline constexpr std::uint32_t kStoreVersion = 2;

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
  JournalPosition journal;  // of the last record that the manifest includes
  BlobRef manifest;
  ClosedMark closed = ClosedMark::kNone;
  std::string closed_why;  // at most kMaxStepDownTextBytes
};

struct SuperblockRead {
  Superblock superblock;
  std::optional<std::string> finding;  // a copy that was damaged while the other was good
  std::optional<int> stale_copy;       // a copy that is not this superblock: damaged or older
};

Result<SuperblockRead> read_superblock(BlockDevice& device, StoreRole role);
// One copy by itself, of either role: for those who want to see all there is.
Result<Superblock> read_superblock_copy(BlockDevice& device, int copy);
// Metadata and data device must be of one store, and of one opening of it: a copy of either
// restored by itself is refused. What comes back tells of a damaged copy. A mark that only the data
// device could take is taken over.
Result<std::optional<std::string>> check_data_device(BlockDevice& snapstore, Superblock& metadata);
// Writes and flushes copy 0, then copy 1. Requires: both copies are the predecessor; else the write
// of copy 0 could leave one whose manifest is gone as the only good one.
Status write_superblock(BlockDevice& device, const Superblock& superblock);
// Writes and flushes both; a success means that at least one copy is durable.
Status write_any_superblock_copy(BlockDevice& device, const Superblock& superblock);
// As a snapstore carries it whose metadata is elsewhere.
Superblock data_superblock(const Superblock& metadata);
Status write_superblock_copy(BlockDevice& device, const Superblock& superblock, int copy);
// Whether either copy's place carries the magic, of whatever version.
Result<bool> has_superblock_magic(BlockDevice& device);

}  // namespace ddsnap
