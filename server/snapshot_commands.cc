#include "server/snapshot_commands.h"

#include <fmt/format.h>

#include <limits>

#include "server/attachment_table.h"

namespace ddsnap {

namespace {

BoundaryState state_of(const BoundaryFacts& boundary) {
  if (boundary.is_dropping) return BoundaryState::kDropped;
  switch (boundary.kind) {
    case BoundaryKind::kLive:
      return BoundaryState::kLive;
    case BoundaryKind::kBookmark:
      return BoundaryState::kBookmark;
    case BoundaryKind::kDropped:
      return BoundaryState::kDropped;
  }
  return BoundaryState::kDropped;
}

}  // namespace

Result<BoundaryFacts> SnapshotCommands::find(const std::string& tag) const {
  auto boundary = parts_.store.find(tag);
  if (!boundary) return fail(ErrorCode::kNotFound, fmt::format("snapshot {} does not exist", tag));
  return *std::move(boundary);
}

Status SnapshotCommands::remove(const DeleteSnapshotMessage& message) {
  const BoundaryFacts snapshot = DD_TRY(find(message.tag));
  if (message.keep_bookmark && snapshot.kind == BoundaryKind::kBookmark) return {};
  if (message.keep_bookmark && snapshot.kind == BoundaryKind::kDropped)
    return fail(ErrorCode::kDropped,
                fmt::format("snapshot {} was dropped to make room in the snapstore", message.tag));
  DD_TRY(check_unused(snapshot));
  DD_TRY(parts_.store.remove(snapshot.epoch, message.keep_bookmark ? SnapStore::Keep::kBookmark
                                                                   : SnapStore::Keep::kNothing));
  parts_.log.info("snapshot {} was deleted{}", message.tag,
                  message.keep_bookmark ? ", a bookmark remains" : "");
  return {};
}

Status SnapshotCommands::check_unused(const BoundaryFacts& snapshot) {
  parts_.attachments.forget_gone(snapshot.epoch);
  const std::uint32_t targets = parts_.attachments.count_of(snapshot.epoch);
  // A boundary without data has no slots that a target could still be reading.
  if (targets != 0 && snapshot.kind == BoundaryKind::kLive)
    return fail(ErrorCode::kBusy, fmt::format("snapshot {} is in use by {} target{}", snapshot.tag,
                                              targets, targets == 1 ? "" : "s"));
  if (snapshot.use_count != 0)
    return fail(ErrorCode::kBusy,
                fmt::format("snapshot {} has use count {}", snapshot.tag, snapshot.use_count));
  return {};
}

Status SnapshotCommands::set_priority(const SetPriorityMessage& message) {
  const BoundaryFacts snapshot = DD_TRY(find(message.tag));
  return parts_.store.set_priority(snapshot.epoch, message.priority);
}

Result<UseCountMessage> SnapshotCommands::add_use_count(const AddUseCountMessage& message) {
  const BoundaryFacts snapshot = DD_TRY(find(message.tag));
  const std::int64_t use_count = std::int64_t{snapshot.use_count} + message.difference;
  if (use_count < 0)
    return fail(ErrorCode::kUsage,
                fmt::format("use count of {} would fall below zero", message.tag));
  if (use_count > std::numeric_limits<std::uint32_t>::max())
    return fail(ErrorCode::kUsage, fmt::format("use count of {} would be too large", message.tag));
  if (message.difference != 0)
    DD_TRY(parts_.store.set_use_count(snapshot.epoch, static_cast<std::uint32_t>(use_count)));
  return UseCountMessage{.use_count = static_cast<std::uint32_t>(use_count),
                         .target_count = parts_.attachments.count_of(snapshot.epoch)};
}

SnapshotListMessage SnapshotCommands::list(const ListSnapshotsMessage& message) const {
  SnapshotListMessage answer;
  auto page = parts_.store.boundaries(message.after, kMaxSnapshotListEntries + 1);
  answer.has_more = page.size() > kMaxSnapshotListEntries;
  if (answer.has_more) page.resize(kMaxSnapshotListEntries);
  for (const BoundaryFacts& boundary : page) answer.entries.push_back(entry_of(boundary));
  return answer;
}

SpaceListMessage SnapshotCommands::space(const GetSpaceMessage& message) const {
  SpaceListMessage answer;
  auto page = parts_.store.boundaries(message.after, kMaxSpaceEntries + 1);
  answer.has_more = page.size() > kMaxSpaceEntries;
  if (answer.has_more) page.resize(kMaxSpaceEntries);
  for (const BoundaryFacts& boundary : page) {
    const std::uint64_t held = parts_.store.slots_held_by(boundary.epoch);
    const std::uint64_t unique = parts_.store.slots_freed_by_removing(boundary.epoch);
    answer.entries.push_back({boundary.epoch, unique, held - unique});
  }
  return answer;
}

SnapshotEntry SnapshotCommands::entry_of(const BoundaryFacts& boundary) const {
  return {.epoch = boundary.epoch,
          .uuid = boundary.uuid,
          .tag = boundary.tag,
          .state = state_of(boundary),
          .priority = boundary.priority,
          .use_count = boundary.use_count,
          .target_count = parts_.attachments.count_of(boundary.epoch),
          .created_ns = boundary.created_ns,
          .size_bytes = boundary.size_bytes,
          .changed_chunks = boundary.changed_chunks,
          .exception_chunks = boundary.exception_chunks,
          .private_chunks = boundary.private_chunks};
}

}  // namespace ddsnap
