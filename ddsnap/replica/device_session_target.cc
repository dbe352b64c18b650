#include <fmt/format.h>

#include <optional>

#include "ddsnap/delta/apply_rules.h"
#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/replica/owned_target.h"
#include "ddsnap/replica/session_target.h"
#include "ddsnap/replica/target_record.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

class DeviceSessionTarget final : public SessionTarget {
 public:
  DeviceSessionTarget(std::string device, FileApplyState record)
      : device_(std::move(device)), record_(std::move(record)) {}

  const std::string& name() const override { return device_; }

  Result<VolumeSession> facts() override {
    const auto device = DD_TRY(open_any_device(device_, DeviceAccess::kReadOnly));
    state_ = DD_TRY(record_.load());
    (void)DD_TRY(forget_what_is_gone(*device, state_));
    VolumeSession facts;
    facts.volume_bytes = device->size_bytes();
    facts.is_touched = state_.is_touched;
    facts.cut = cut_of(state_);
    if (!facts.cut && !state_.snapshot_uuid.is_nil()) facts.held.push_back(state_.snapshot_uuid);
    return facts;
  }

  Result<Begun> begin(const StartSession& start) override {
    if (!owned_) owned_ = DD_TRY(OwnedTarget::open(device_, {}));
    BlockDevice& device = owned_->device();
    // Now that it is ours: somebody may have written it, or its record, before.
    state_ = DD_TRY(record_.load());
    (void)DD_TRY(forget_what_is_gone(device, state_));
    DD_TRY(check_holds_volume(device, {start.chunk_shift, start.to_bytes}));
    if (start.is_resync) return Begun{device, fresh_transfer(start)};
    const auto cut = cut_of(state_);
    const bool goes_on = cut && cut->from == start.from && cut->to == start.to;
    if (!goes_on && (state_.window || state_.is_touched || state_.snapshot_uuid != start.from))
      return fail(
          ErrorCode::kFailed,
          fmt::format("{}: it does not hold snapshot {} unchanged; --resync compares all of "
                      "it and sends what differs",
                      device_, start.from.to_string()));
    return Begun{device, goes_on ? *cut : fresh_transfer(start)};
  }

  Status note(const CutTransfer& cut) override {
    state_ = state_during(std::move(state_), cut);
    return record_.store(state_);
  }

  Status finish(const StartSession& start, const TargetSamples& samples) override {
    DD_TRY(owned_->device().flush());
    state_ = state_behind(std::move(state_), start, samples);
    return record_.store(state_);
  }

  Result<std::unique_ptr<BlockDevice>> open(const AuditSession& question) override {
    if (!question.tag.empty())
      return fail(ErrorCode::kNotFound,
                  fmt::format("{}: a bare device has no snapshot '{}'", device_, question.tag));
    const TargetState state = DD_TRY(record_.load());
    if (!question.uuid.is_nil() && (state.window || state.snapshot_uuid != question.uuid))
      return fail(ErrorCode::kNotFound, fmt::format("{}: it does not hold snapshot {}", device_,
                                                    question.uuid.to_string()));
    return open_any_device(device_, DeviceAccess::kReadOnly);
  }

 private:
  const std::string device_;
  FileApplyState record_;
  TargetState state_;
  std::optional<OwnedTarget> owned_;
};

}  // namespace

Result<std::unique_ptr<SessionTarget>> open_device_target(const std::string& device) {
  FileApplyState record = DD_TRY(record_of_target(device));
  return std::make_unique<DeviceSessionTarget>(device, std::move(record));
}

}  // namespace ddsnap
