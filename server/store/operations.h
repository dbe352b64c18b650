// The operations that a journal record is made of: each changes the store's state, live and in
// replay, through State::apply().
//
// Shape     {le16 type, le16 0, le32 length} and a body; tables in SNAPSTORE.md, section 4.
// Errors    decode_operations: kDamaged for anything unknown or malformed; the state is then to be
// given up. Threads   Plain values.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/uuid.h"
#include "server/store/exception.h"
#include "server/store/snap_store.h"

namespace ddsnap {

// Copy-outs of one batch: into the table of the newest live snapshot and the change map of the
// newest boundary.
struct CopiedOutOp {
  Epoch table;
  Epoch boundary;
  std::vector<ChunkException> exceptions;
};
// First writes since the newest boundary that needed no copy.
struct ChangedOp {
  Epoch boundary;
  std::vector<ChunkNr> chunks;
};
struct PrivateOp {
  Epoch snapshot;
  std::vector<ChunkException> exceptions;
};
struct CreateOp {
  Epoch epoch;
  NewBoundary boundary;
  std::uint64_t size_bytes = 0;
};
struct RemoveOp {
  Epoch epoch;
  SnapStore::Keep keep = SnapStore::Keep::kNothing;
};
struct MarkDroppingOp {
  Epoch epoch;
};
struct SetPriorityOp {
  Epoch epoch;
  std::int8_t priority = 0;
};
struct SetUseCountOp {
  Epoch epoch;
  std::uint32_t use_count = 0;
};
struct AttachOp {
  Attachment attachment;
};
struct DetachOp {
  std::uint32_t attachment_id = 0;
};
struct ResizeOriginOp {
  std::uint64_t size_bytes = 0;
};
// To a lower rung; from "tracking only" on all snapshots are given up. Also back up, when an
// administrator says so (S10).
struct StepDownOp {
  StepDown to;
};
struct SetSettingsOp {
  StoreSettings settings;
};
// The boundary's change map lacks what was written unseen (S10, T11).
struct LoseTrackOp {
  Epoch boundary;
};
// What samples of the origin hashed to when its last target had detached (T11). Attaching an origin
// target forgets it.
struct SealOriginOp {
  std::uint64_t digest = 0;
};

using Operation =
    std::variant<CopiedOutOp, ChangedOp, PrivateOp, CreateOp, RemoveOp, MarkDroppingOp,
                 SetPriorityOp, SetUseCountOp, AttachOp, DetachOp, ResizeOriginOp, StepDownOp,
                 SetSettingsOp, LoseTrackOp, SealOriginOp>;

void encode_operation(const Operation& operation, std::vector<std::byte>& out);
Result<std::vector<Operation>> decode_operations(std::span<const std::byte> bytes);

}  // namespace ddsnap
