#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "ddsnap/base/limits.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/base_difference.h"
#include "ddsnap/replica/owned_target.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/session_target.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

class VolumeSessionTarget final : public SessionTarget {
 public:
  VolumeSessionTarget(std::string server, ServerClient client, FileApplyState record)
      : server_(std::move(server)), client_(std::move(client)), record_(std::move(record)) {}

  const std::string& name() const override { return server_; }

  Result<VolumeSession> facts() override {
    VolumeSession facts;
    facts.volume_bytes = DD_TRY(client_.status())
    .origin_bytes;
    snapshots_ = DD_TRY(client_.snapshots());
    std::ranges::reverse(snapshots_);
    for (const SnapshotEntry& one : snapshots_) facts.held.push_back(one.uuid);
    state_ = DD_TRY(record_.load());
    facts.cut = cut_of_volume(state_, facts.held);
    if (facts.held.size() > kMaxSessionUuids) facts.held.resize(kMaxSessionUuids);
    if (facts.cut || snapshots_.empty()) return facts;
    facts.is_touched = DD_TRY(is_touched());
    return facts;
  }

  Result<Begun> begin(const StartSession& start) override {
    const VolumeSession now = DD_TRY(facts());
    DD_TRY(check_copy_size(server_, now.volume_bytes, start.to_tag, start.to_bytes));
    DD_TRY(check_tag_is_free(start));
    const bool goes_on = now.cut && now.cut->from == start.from && now.cut->to == start.to &&
                         DD_TRY(is_unwritten_behind(*now.cut, start));
    const bool is_base =
        !now.cut && !now.is_touched && !now.held.empty() && now.held.front() == start.from;
    if (!start.is_resync && !goes_on && !is_base)
      return fail(ErrorCode::kFailed,
                  fmt::format("{}: the origin does not hold snapshot {} unchanged; --resync "
                              "compares all of it and sends what differs",
                              server_, start.from.to_string()));
    if (!owned_) {
      DD_TRY(check_unattached());
      owned_ = DD_TRY(OwnedTarget::open(std::string(kDdsnapScheme) + server_, {}));
    }
    DD_TRY(check_holds_volume(owned_->device(), {start.chunk_shift, start.to_bytes}));
    CutTransfer cut = fresh_transfer(start);
    cut.writer = DD_TRY(our_attachment());
    // A resync finds out by hash how far it has come.
    if (!goes_on || start.is_resync) return Begun{owned_->device(), cut};
    // Where anybody was attached since, the origin may have been written where it was new already:
    // all is sent again, and check_nothing_else() looks at the rest.
    const bool is_untouched = now.cut->writer != 0 && now.cut->writer + 1 == cut.writer;
    cut.next = is_untouched ? now.cut->next : 0;
    cut.doubt_end = now.cut->doubt_end;
    if (!is_untouched) cut.writer = 0;  // so it stays until one transfer went from end to end
    return Begun{owned_->device(), cut};
  }

  Status check_nothing_else(const StartSession& start, const ByteCover& named) override {
    const SnapshotEntry& newest = snapshots_.front();
    const Changelist changed = DD_TRY(written_since(newest));
    const ChunkGeometry geometry = changed.to_geometry();
    const Changelist others = chosen_of(
        changed, [&](ChunkNr chunk) { return !named.contains(geometry.bytes_of(chunk)); });
    if (others.ranges.empty() || !DD_TRY(differs_from(newest, others))) return {};
    return fail(ErrorCode::kFailed,
                fmt::format("{}: somebody else wrote here since '{}', where '{}' changes nothing; "
                            "--resync compares all of it and sends what differs",
                            server_, newest.tag, start.to_tag));
  }

  Status note(const CutTransfer& cut) override {
    state_ = state_during(std::move(state_), cut);
    return record_.store(state_);
  }

  // The snapshot first: a record that still speaks of the transfer is known to be stale by it.
  Status finish(const StartSession& start, const TargetSamples& samples) override {
    DD_TRY(owned_->device().flush());
    DD_TRY(client_.create({.uuid = start.to, .tag = start.to_tag}));
    state_ = state_behind(std::move(state_), start, samples);
    return record_.store(state_);
  }

  Result<std::unique_ptr<BlockDevice>> open(const AuditSession& question) override {
    const std::string origin = std::string(kDdsnapScheme) + server_;
    if (question.tag.empty() && question.uuid.is_nil())
      return open_any_device(origin, DeviceAccess::kReadOnly);
    if (!question.tag.empty())
      return open_any_device(origin + "#" + question.tag, DeviceAccess::kReadOnly);
    for (const SnapshotEntry& one : DD_TRY(client_.snapshots()))
      if (one.uuid == question.uuid && one.state == BoundaryState::kLive)
        return open_any_device(origin + "#" + one.tag, DeviceAccess::kReadOnly);
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: no snapshot {}", server_, question.uuid.to_string()));
  }

 private:
  // Whether the origin is no longer what its newest snapshot is. Written is not different: a
  // rollback writes, and so does who puts things back.
  Result<bool> is_touched() {
    const SnapshotEntry& newest = snapshots_.front();
    const Changelist since = DD_TRY(written_since(newest));
    return !since.ranges.empty() && DD_TRY(differs_from(newest, since));
  }

  Result<Changelist> written_since(const SnapshotEntry& snapshot) {
    return common_of(DD_TRY(client_.changelist(snapshot.tag, "now")));
  }

  // Whether the origin, in these chunks, is no longer what the snapshot is.
  Result<bool> differs_from(const SnapshotEntry& snapshot, const Changelist& chunks) {
    const std::string name = std::string(kDdsnapScheme) + server_;
    std::unique_ptr<BlockDevice> present, base;
    if (!owned_) present = DD_TRY(open_any_device(name, DeviceAccess::kReadOnly));
    if (snapshot.state == BoundaryState::kLive)
      base = DD_TRY(open_any_device(name + "#" + snapshot.tag, DeviceAccess::kReadOnly));
    BlockDevice& origin = owned_ ? owned_->device() : *present;
    return !DD_TRY(truly_different(chunks, origin, base.get()))
    .ranges.empty();
  }

  // As the only target of the origin that there is.
  Result<std::uint64_t> our_attachment() {
    for (const TargetEntry& target : DD_TRY(client_.targets()))
      if (target.role == TargetRole::kOrigin) return target.attachment_id;
    return fail(ErrorCode::kBusy, server_ + ": the session's target is not attached any more");
  }

  // Whether nobody wrote where the transfer that was cut off has not been yet.
  Result<bool> is_unwritten_behind(const CutTransfer& cut, const StartSession& start) {
    if (cut.from.is_nil()) return true;
    const Changelist since = DD_TRY(written_since(snapshots_.front()));
    return since.ranges.empty() ||
           since.ranges.back().end() << since.chunk_shift <=
               round_up(cut.doubt_end << start.chunk_shift, std::uint64_t{1} << since.chunk_shift);
  }

  Status check_tag_is_free(const StartSession& start) const {
    for (const SnapshotEntry& one : snapshots_)
      if (one.tag == start.to_tag && one.uuid != start.to)
        return fail(ErrorCode::kExists,
                    fmt::format("{}: it has a snapshot '{}' of its own", server_, start.to_tag));
    return {};
  }

  // Whoever has the origin open would go on with what it remembers of it.
  Status check_unattached() {
    for (const TargetEntry& target : DD_TRY(client_.targets()))
      if (target.role == TargetRole::kOrigin)
        return fail(ErrorCode::kBusy,
                    fmt::format("{}: the origin is in use by target '{}'; end it first", server_,
                                target.label));
    return {};
  }

  const std::string server_;
  ServerClient client_;
  FileApplyState record_;
  TargetState state_;
  std::vector<SnapshotEntry> snapshots_;  // the newest first
  std::optional<OwnedTarget> owned_;
};

}  // namespace

Result<std::unique_ptr<SessionTarget>> open_volume_target(const std::string& server) {
  ServerClient client = DD_TRY(ServerClient::connect(server));
  // Named by the volume's store, whatever its socket is called today.
  const std::string store = DD_TRY(client.status())
  .store_uuid.to_string();
  FileApplyState record(DD_TRY(default_state_folder()) + "/session-" + store);
  return std::make_unique<VolumeSessionTarget>(server, std::move(client), std::move(record));
}

}  // namespace ddsnap
