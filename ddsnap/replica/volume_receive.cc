#include "ddsnap/replica/volume_receive.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "ddsnap/base/size_text.h"
#include "ddsnap/delta/copy_chunks.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/base_difference.h"
#include "ddsnap/replica/job_lock.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/target/open_ddsnap_device.h"
#include "ddsnap/target/origin_device.h"

namespace ddsnap {

namespace {

// For a server that went away while a stream is applied; then the job ends, and is run again.
constexpr std::uint64_t kReceivePatience_ms = 120'000;
constexpr std::uint64_t kGonePause_ms = 100;
constexpr std::uint64_t kGonePatience_ms = 3 * kProbeInterval_ms;

}  // namespace

VolumeReceive::VolumeReceive(const std::string& server, const DeltaHeader& header,
                             const ReceiveOptions& options, WorkContext& context)
    : server_(server),
      label_(fmt::format("receive-{}", ::getpid())),
      header_(header),
      options_(options),
      context_(context) {}

const SnapshotEntry* VolumeReceive::find(const Uuid& uuid) const {
  for (const SnapshotEntry& entry : snapshots_)
    if (entry.uuid == uuid) return &entry;
  return nullptr;
}

std::string VolumeReceive::device_name() const {
  return std::string(kDdsnapScheme) + server_;
}

Result<ReceiveReport> VolumeReceive::run(PeekedSource& source) {
  if (header_.to_uuid.is_nil())
    return fail(ErrorCode::kUsage,
                source.name() +
                    ": does not say which snapshot it ends in, so that no copy of it "
                    "can be made; streams of 'ddsnap send' do");
  ServerClient client = DD_TRY(ServerClient::connect(server_));
  const ServerStatusMessage status = DD_TRY(client.status());
  const Uuid store_uuid = status.store_uuid;
  const JobLock lock =
      DD_TRY(JobLock::take(DD_TRY(default_state_folder()), "receive-" + store_uuid.to_string()));
  snapshots_ = DD_TRY(client.snapshots());
  report_.uuid = header_.to_uuid;
  if (const SnapshotEntry* const there = find(header_.to_uuid)) {
    report_.was_there = true;
    report_.tag = there->tag;
    report_.apply.header = header_;
    DD_TRY(source.drain());
    return report_;
  }
  DD_TRY(check_copy_size(server_, status.origin_bytes, header_.to_tag, header_.to_bytes));
  DD_TRY(choose_tag());
  DD_TRY(open_origin());
  DD_TRY(check_alone());
  VolumeRecord record = DD_TRY(VolumeRecord::open(store_uuid));
  DD_TRY(prove_base(record));

  ByteCover named;
  ApplyOptions how{.is_forced = options_.is_forced};
  how.on_frame = [&](const DeltaFrame& frame) {
    for (const FrameEntry& entry : frame.entries)
      named.add({header_.to_geometry().offset_of(entry.first),
                 std::uint64_t{entry.count} << header_.chunk_shift});
  };
  auto applied = apply_delta(source, *origin_, record, how, context_);
  if (!applied && applied.error().code == ErrorCode::kInterrupted)
    return with_context(server_ + ": run the same again to finish", std::move(applied).error());
  report_.apply = DD_TRY(std::move(applied));
  DD_TRY(check_nothing_else(named));
  DD_TRY(check_alone());
  ServerClient again = DD_TRY(ServerClient::connect(server_));  // it may have been a long time
  DD_TRY(again.create({.uuid = header_.to_uuid, .tag = report_.tag}));
  DD_TRY(record.forget());
  return report_;
}

Status VolumeReceive::choose_tag() {
  report_.tag = options_.tag.empty() ? header_.to_tag : options_.tag;
  DD_TRY(check_tag(report_.tag));
  for (const SnapshotEntry& entry : snapshots_)
    if (entry.tag == report_.tag)
      return fail(ErrorCode::kExists,
                  fmt::format("{}: has another snapshot '{}' already; delete that, or give this "
                              "one a name with --snapshot=TAG",
                              server_, report_.tag));
  return {};
}

// A server that is gone for long fails the apply, so that a job comes to its end; so does Ctrl-C.
Status VolumeReceive::open_origin() {
  TargetOptions options;
  options.link.place.server_address = server_;
  options.link.label = label_;
  options.parking.timeout_ms = kReceivePatience_ms;
  options.parking.should_give_up = [this] { return context_.interruption.is_requested(); };
  origin_ =
      std::make_unique<OriginDevice>(device_name(), DD_TRY(OriginTarget::open(std::move(options))));
  return {};
}

// One that is absent, as that of a receive which was killed, is soon proven gone by the server
// (S8); no snapshot is made before that.
Status VolumeReceive::check_alone() const {
  ServerClient client = DD_TRY(ServerClient::connect(server_));
  const auto is_other = [this](const TargetEntry& target) {
    return target.role == TargetRole::kOrigin && target.label != label_;
  };
  for (std::uint64_t waited_ms = 0;; waited_ms += kGonePause_ms) {
    const std::vector<TargetEntry> targets = DD_TRY(client.targets());
    const auto other = std::ranges::find_if(targets, is_other);
    if (other == targets.end()) return {};
    if (other->is_present || waited_ms > kGonePatience_ms)
      return fail(ErrorCode::kBusy,
                  other->is_present
                      ? fmt::format("{}: the origin is in use by target '{}'; end it first",
                                    server_, other->label)
                      : fmt::format("{}: target '{}' is lost and not proven gone; wait for it, or "
                                    "'ddsnap detach --force'",
                                    server_, other->label));
    DD_TRY(context_.interruption.pause(kGonePause_ms * 1'000'000));
  }
}

Status VolumeReceive::prove_base(VolumeRecord& record) {
  if (header_.is_full()) return {};
  base_ = header_.from_uuid.is_nil() ? nullptr : find(header_.from_uuid);
  if (base_ == nullptr) {
    if (options_.is_forced) return {};
    const std::string newest = snapshots_.empty()
                                   ? "it has no snapshot"
                                   : fmt::format("its newest is '{}' {}", snapshots_.back().tag,
                                                 snapshots_.back().uuid.to_string());
    return fail(ErrorCode::kFailed,
                fmt::format("{}: does not hold snapshot '{}' {}, which the stream starts from: {}",
                            server_, header_.from_tag, header_.from_uuid.to_string(), newest));
  }
  if (!options_.is_forced) DD_TRY(check_not_left_behind());
  DD_TRY(judge_changes(DD_TRY(changed_since_base()), record));
  record.set_base(base_->uuid);
  return {};
}

// Snapshots of its own that change nothing are no matter.
Status VolumeReceive::check_not_left_behind() const {
  const SnapshotEntry& newest = snapshots_.back();
  if (base_ == &newest) return {};
  ServerClient client = DD_TRY(ServerClient::connect(server_));
  if (DD_TRY(client.changelist(base_->tag, newest.tag)).ranges.empty()) return {};
  return fail(ErrorCode::kFailed,
              fmt::format("{}: went on from '{}', which the stream starts from, to '{}' {}; send "
                          "from there, or --force",
                          server_, base_->tag, newest.tag, newest.uuid.to_string()));
}

Result<Changelist> VolumeReceive::changed_since_base() const {
  ServerClient client = DD_TRY(ServerClient::connect(server_));
  return common_of(DD_TRY(client.changelist(base_->tag, "now")));
}

// Deltas are applied in the order of their chunks: an interrupted apply wrote nothing behind its
// last window.
Status VolumeReceive::judge_changes(const Changelist& changed, VolumeRecord& record) {
  if (changed.ranges.empty()) return record.forget();
  const ChunkGeometry geometry = changed.to_geometry();
  std::uint64_t ours_end_bytes = 0;
  if (record.window())
    ours_end_bytes = (std::uint64_t{record.window()->last_chunk.value} + 1) << header_.chunk_shift;
  const auto is_behind = [&](ChunkNr chunk) { return geometry.offset_of(chunk) >= ours_end_bytes; };
  const Changelist strange = DD_TRY(strange_among(chosen_of(changed, is_behind)));
  if (!strange.ranges.empty()) {
    if (!options_.puts_strangers_back) return refuse_strangers(strange);
    DD_TRY(put_back(strange));
  }
  if (!record.window() || record.window()->delta_uuid == header_.delta_uuid) return {};
  const Changelist ours = chosen_of(changed, [&](ChunkNr chunk) { return !is_behind(chunk); });
  DD_TRY(put_back(DD_TRY(strange_among(ours))));
  return record.forget();
}

Result<std::unique_ptr<BlockDevice>> VolumeReceive::open_base() const {
  return open_ddsnap_device(device_name() + "#" + base_->tag);
}

Result<Changelist> VolumeReceive::strange_among(const Changelist& suspects) const {
  if (suspects.ranges.empty()) return suspects;
  std::unique_ptr<BlockDevice> base;
  if (base_->state == BoundaryState::kLive) base = DD_TRY(open_base());
  return truly_different(suspects, *origin_, base.get());
}

Status VolumeReceive::put_back(const Changelist& chunks) {
  if (chunks.ranges.empty()) return {};
  if (base_->state != BoundaryState::kLive)
    return fail(ErrorCode::kFailed,
                fmt::format("{}: {} chunks would have to be put back as at '{}', whose data is not "
                            "here any more; a resync finds and sends what differs",
                            server_, with_commas(chunks.chunk_count()), base_->tag));
  const auto base = DD_TRY(open_base());
  DD_TRY(copy_chunks(chunks, *base, *origin_, context_));
  report_.chunks_put_back += chunks.chunk_count();
  return {};
}

Status VolumeReceive::refuse_strangers(const Changelist& strange) const {
  const ChunkGeometry geometry = strange.to_geometry();
  return fail(
      ErrorCode::kFailed,
      fmt::format("{}: somebody else wrote here since '{}': {} chunks in {} ranges, the first at "
                  "byte {}; --force-revert puts back what was there",
                  server_, base_->tag, with_commas(strange.chunk_count()), strange.ranges.size(),
                  geometry.offset_of(strange.ranges.front().first)));
}

// Before the snapshot is made that is to be the upstream's, byte for byte.
Status VolumeReceive::check_nothing_else(const ByteCover& named) {
  if (base_ == nullptr) return {};
  const Changelist changed = DD_TRY(changed_since_base());
  const ChunkGeometry geometry = changed.to_geometry();
  const Changelist others =
      chosen_of(changed, [&](ChunkNr chunk) { return !named.contains(geometry.bytes_of(chunk)); });
  const Changelist strange = DD_TRY(strange_among(others));
  if (strange.ranges.empty()) return {};
  if (!options_.puts_strangers_back) return refuse_strangers(strange);
  return put_back(strange);
}

}  // namespace ddsnap
