#include "ddsnap/replica/downstream_device.h"

#include "ddsnap/delta/apply_rules.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/owned_target.h"
#include "ddsnap/replica/peeked_source.h"
#include "ddsnap/replica/receive_point.h"
#include "ddsnap/replica/target_record.h"

namespace ddsnap {

Result<std::unique_ptr<Downstream>> DownstreamDevice::open(const std::string& name) {
  DD_TRY(open_device(name, DeviceAccess::kReadOnly));  // that it is there, and can be one
  return std::unique_ptr<Downstream>(new DownstreamDevice(name));
}

Result<ChunkGeometry> DownstreamDevice::geometry() {
  const auto device = DD_TRY(open_present());
  return ChunkGeometry{.volume_bytes = device->size_bytes()};
}

Result<std::vector<HeldSnapshot>> DownstreamDevice::held() {
  FileApplyState record = DD_TRY(record_of_target(name_));
  TargetState state = DD_TRY(record.load());
  const auto device = DD_TRY(open_present());
  const bool was_replaced = DD_TRY(forget_what_is_gone(*device, state));
  if (was_replaced || state.snapshot_uuid.is_nil() || state.is_touched)
    return std::vector<HeldSnapshot>{};
  return std::vector{HeldSnapshot{.uuid = state.snapshot_uuid, .size_bytes = device->size_bytes()}};
}

Result<std::optional<ReceivePoint>> DownstreamDevice::point() {
  FileApplyState record = DD_TRY(record_of_target(name_));
  return point_of(DD_TRY(record.load()));
}

Result<std::unique_ptr<BlockDevice>> DownstreamDevice::open_present() {
  return open_device(name_, DeviceAccess::kReadOnly);
}

Result<std::unique_ptr<BlockDevice>> DownstreamDevice::open_snapshot(const Uuid& uuid) {
  const std::vector<HeldSnapshot> has = DD_TRY(held());
  if (has.empty() || has.front().uuid != uuid)
    return fail(ErrorCode::kNotFound, name_ + ": does not hold snapshot " + uuid.to_string());
  return open_present();
}

Result<ReceiveReport> DownstreamDevice::receive(ByteSource& source, const ReceiveOptions& options,
                                                WorkContext& context) {
  if (!options.tag.empty())
    return fail(ErrorCode::kUsage, name_ + ": has no server, so there is no snapshot to take");
  OwnedTarget target = DD_TRY(OwnedTarget::open(name_, {.is_forced = options.is_forced}));
  FileApplyState record = DD_TRY(record_of_target(name_));
  PeekedSource peeked = DD_TRY(PeekedSource::take(source));
  if (options.base == ReceiveOptions::Base::kByContent) DD_TRY(record.store({}));
  ReceiveReport report{.uuid = peeked.header().to_uuid};
  report.apply = DD_TRY(
      apply_delta(peeked, target.device(), record, {.is_forced = options.is_forced}, context));
  report.was_there = report.apply.outcome == ApplyOutcome::kAlreadyApplied;
  return report;
}

}  // namespace ddsnap
