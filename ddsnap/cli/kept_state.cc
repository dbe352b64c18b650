#include "ddsnap/cli/kept_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

constexpr std::int8_t kUnfinishedPriority = 127;  // never dropped (full-store policy)

Uuid uuid_of_kept(const Uuid& reverted, const std::string& tag) {
  const std::string text = "kept by a revert " + reverted.to_string() + " " + tag;
  return Uuid::derived_from(std::as_bytes(std::span(text)));
}

std::string numbered_tag(const std::string& reverted_tag, unsigned number) {
  const std::string suffix = number == 1 ? "" : fmt::format("-{}", number);
  std::string tag = "before-revert-" + reverted_tag;
  if (tag.size() + suffix.size() > kMaxTagBytes) tag.resize(kMaxTagBytes - suffix.size());
  return tag + suffix;
}

bool marks_unfinished(const SnapshotEntry& entry, const Uuid& reverted) {
  return entry.state == BoundaryState::kLive && entry.priority == kUnfinishedPriority &&
         entry.uuid == uuid_of_kept(reverted, entry.tag);
}

// A revert writes nothing but what had changed when it began, so what came later is in the older
// list already, or is another's.
Result<bool> is_revert_s_own(ServerClient& client, const SnapshotEntry& reverted,
                             const Changelist& list, const std::string& kept_tag) {
  const Changelist until_kept = DD_TRY(client.changelist(reverted.tag, kept_tag));
  return until_kept.chunk_count() == list.chunk_count();
}

}  // namespace

Result<KeptState> plan_kept_state(ServerClient& client, std::span<const SnapshotEntry> snapshots,
                                  const SnapshotEntry& reverted, const Changelist& list,
                                  const std::string& wanted_tag) {
  for (unsigned number = 1;; ++number) {
    KeptState state{.tag = wanted_tag.empty() ? numbered_tag(reverted.tag, number) : wanted_tag};
    state.uuid = uuid_of_kept(reverted.uuid, state.tag);
    const auto found = std::ranges::find(snapshots, state.tag, &SnapshotEntry::tag);
    if (found == snapshots.end()) return state;
    if (marks_unfinished(*found, reverted.uuid) &&
        DD_TRY(is_revert_s_own(client, reverted, list, state.tag))) {
      state.is_there = true;
      state.begun_chunks = DD_TRY(client.changelist(state.tag, "now"))
      .chunk_count();
      return state;
    }
    if (!wanted_tag.empty())
      return fail(ErrorCode::kExists, fmt::format("snapshot {} already exists", wanted_tag));
  }
}

Status keep_state(ServerClient& client, const KeptState& state) {
  return client.create({.uuid = state.uuid, .tag = state.tag, .priority = kUnfinishedPriority});
}

Status settle_kept_states(ServerClient& client, const SnapshotEntry& reverted) {
  for (const SnapshotEntry& entry : DD_TRY(client.snapshots()))
    if (marks_unfinished(entry, reverted.uuid))
      DD_TRY(client.set_priority({.tag = entry.tag, .priority = 0}));
  return {};
}

}  // namespace ddsnap
