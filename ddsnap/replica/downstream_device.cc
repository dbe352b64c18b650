#include "ddsnap/delta/apply_rules.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/downstream_kinds.h"
#include "ddsnap/replica/owned_target.h"
#include "ddsnap/replica/peeked_source.h"
#include "ddsnap/replica/target_record.h"

namespace ddsnap {

namespace {

class DownstreamDevice final : public Downstream {
 public:
  explicit DownstreamDevice(std::string name) : name_(std::move(name)) {}
  const std::string& name() const override { return name_; }

  Result<std::vector<HeldSnapshot>> held() override {
    FileApplyState record = DD_TRY(record_of_target(name_));
    TargetState state = DD_TRY(record.load());
    const auto device = DD_TRY(open_device(name_, DeviceAccess::kReadOnly));
    const bool was_replaced = DD_TRY(forget_what_is_gone(*device, state));
    if (was_replaced || state.snapshot_uuid.is_nil() || state.is_touched)
      return std::vector<HeldSnapshot>{};
    return std::vector{
        HeldSnapshot{.uuid = state.snapshot_uuid, .size_bytes = device->size_bytes()}};
  }

  Result<ReceiveReport> receive(ByteSource& source, const ReceiveOptions& options,
                                WorkContext& context) override {
    if (!options.tag.empty()) return fail(ErrorCode::kUsage, name_ + kNoServerNoSnapshot);
    OwnedTarget target = DD_TRY(OwnedTarget::open(name_, {.is_forced = options.is_forced}));
    FileApplyState record = DD_TRY(record_of_target(name_));
    PeekedSource peeked = DD_TRY(PeekedSource::take(source));
    ReceiveReport report{.uuid = peeked.header().to_uuid};
    report.apply = DD_TRY(
        apply_delta(peeked, target.device(), record, {.is_forced = options.is_forced}, context));
    report.was_there = report.apply.outcome == ApplyOutcome::kAlreadyApplied;
    return report;
  }

 private:
  const std::string name_;
};

}  // namespace

Result<std::unique_ptr<Downstream>> open_downstream_device(const std::string& name) {
  DD_TRY(open_device(name, DeviceAccess::kReadOnly));  // that it is there, and can be one
  return std::make_unique<DownstreamDevice>(name);
}

}  // namespace ddsnap
