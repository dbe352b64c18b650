#include "ddsnap/replica/snapshot_group.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace ddsnap {

namespace {

Uuid member_uuid(const Uuid& group, const Uuid& store) {
  std::array<std::byte, 32> both;
  std::ranges::copy(group.bytes, both.begin());
  std::ranges::copy(store.bytes, both.begin() + 16);
  return Uuid::derived_from(both);
}

bool is_file(const std::string& path) {
  struct stat facts{};
  return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
}

std::uint64_t left_ms(Deadline deadline) {
  return static_cast<std::uint64_t>(std::max(deadline.poll_timeout_ms(), 1));
}

}  // namespace

Result<SnapshotGroup> SnapshotGroup::connect(const std::vector<std::string>& servers,
                                             const CreateSnapshotMessage& request) {
  if (servers.size() > kMaxGroup)
    return fail(ErrorCode::kUsage, fmt::format("at most {} servers make a group", kMaxGroup));
  SnapshotGroup group;
  for (const std::string& server : servers) {
    ServerClient client = DD_TRY(ServerClient::connect(server));
    ServerStatusMessage status = DD_TRY(client.status());
    group.members_.push_back({std::move(client), std::move(status), request});
  }
  std::ranges::sort(group.members_, {}, [](const Member& one) { return one.status.store_uuid; });
  for (std::size_t i = 0; i + 1 < group.members_.size(); ++i)
    if (group.members_[i].status.store_uuid == group.members_[i + 1].status.store_uuid)
      return fail(ErrorCode::kUsage,
                  fmt::format("{} and {} are one volume", group.members_[i].client.address(),
                              group.members_[i + 1].client.address()));
  if (servers.size() > 1)
    for (Member& member : group.members_)
      member.request.uuid = member_uuid(request.uuid, member.status.store_uuid);
  return group;
}

Status SnapshotGroup::check_paths(const FrozenMounts& mounts) const {
  for (const Member& member : members_) {
    const ServerStatusMessage& status = member.status;
    DD_TRY(mounts.refuse_path_on(status.snapstore_path, "the snapstore"));
    DD_TRY(mounts.refuse_path_on(status.metadata_path, "the metadata device"));
    DD_TRY(mounts.refuse_path_on(member.client.address(), "the server's socket"));
    // An origin that is a device may well be below the mount: that is the point of it all.
    if (is_file(status.origin_path))
      DD_TRY(mounts.refuse_path_on(status.origin_path, "the origin"));
  }
  return {};
}

Status SnapshotGroup::prepare(Deadline deadline) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const auto hold_ms = static_cast<std::uint32_t>(left_ms(deadline));
    Status prepared = members_[i].client.prepare({hold_ms, members_[i].request});
    if (prepared) continue;
    // Who does not listen now hears the connection's end, or its own clock.
    for (std::size_t held = 0; held <= i; ++held)
      (void)members_[held].client.abort({members_[held].request.uuid}, left_ms(deadline));
    return prepared;
  }
  return {};
}

Status SnapshotGroup::commit(Deadline deadline) {
  Status outcome;
  for (Member& member : members_) {
    Status committed = member.client.commit({member.request.uuid}, left_ms(deadline));
    if (!committed && outcome) outcome = std::move(committed);
  }
  if (outcome) return {};
  return std::unexpected(take_back(outcome.error()));
}

// By a connection of its own: the old one may still be waiting for an answer.
Status SnapshotGroup::take_back_one(Member& member) {
  ServerClient client = DD_TRY(ServerClient::connect(member.client.address()));
  for (const SnapshotEntry& entry : DD_TRY(client.snapshots()))
    if (entry.uuid == member.request.uuid) return client.remove({.tag = entry.tag});
  return {};
}

Error SnapshotGroup::take_back(const Error& why) {
  std::string left;
  for (Member& member : members_) {
    const Status taken = take_back_one(member);
    if (!taken) left += (left.empty() ? "" : ", ") + member.client.address();
  }
  const std::string remains = left.empty()
                                  ? "no volume has it"
                                  : fmt::format("'{}' may be left behind on {}; delete it there",
                                                members_.front().request.tag, left);
  return fail(ErrorCode::kFailed,
              fmt::format("{}; the snapshot is incomplete and was taken back: {}", why.message(),
                          remains))
      .error();
}

Status create_together(const TogetherOptions& options, const CreateSnapshotMessage& request) {
  FrozenMounts mounts = DD_TRY(FrozenMounts::open(options.mounts));
  SnapshotGroup group = DD_TRY(SnapshotGroup::connect(options.servers, request));
  DD_TRY(group.check_paths(mounts));
  const Deadline deadline = Deadline::after_ms(options.timeout_ms);
  if (!options.mounts.empty()) DD_TRY(mounts.freeze(options.timeout_ms));
  DD_TRY(group.prepare(deadline));
  DD_TRY(group.commit(deadline));
  if (const Status thawed = mounts.thaw(); !thawed)
    return std::unexpected(group.take_back(thawed.error()));
  return {};
}

}  // namespace ddsnap
