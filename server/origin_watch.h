// Whether the origin was written while no target of ours was attached: the raw device mounted
// before attach, or by a boot that knows nothing of ddsnap (T11).
//
// Shape     When the last origin target has detached, samples of the origin are hashed and the
//           digest is kept durably; before the next one attaches, and when a server starts, they
//           are hashed again. Attaching forgets the digest. Samples are where mounting writes:
//           the first 68 KiB (superblocks of ext4, xfs, btrfs, LVM, md), btrfs's copies, the end,
//           and places spread over the whole. What the origin has grown by while no server
//           ran was not written behind anybody's back: it is judged by the size that it had.
// Errors    A mismatch marks the tracking as broken and is told; nobody is kept from the origin. An
//           origin that cannot be read is not judged.
// Threads   None inside. One batch of about a hundred small reads.
#pragma once

#include <cstdint>

#include "server/volume_parts.h"

namespace ddsnap {

// The hash of the samples of the first so many bytes.
Result<std::uint64_t> digest_of_origin(BlockDevice& origin, std::uint64_t volume_bytes);

class OriginWatch {
 public:
  explicit OriginWatch(VolumeParts parts);

  // Requires: no origin target is attached any more, and the last one said so itself.
  void on_last_detach();
  // Compares, if there is something to compare with.
  void check();

 private:
  Status seal();

  VolumeParts parts_;
  std::uint64_t sealed_bytes_;  // of the origin, when its digest was made
};

}  // namespace ddsnap
