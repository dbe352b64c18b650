#include "ddsnap/cli/offline_store.h"

namespace ddsnap {

namespace {

// Stands where no origin was named.
class NoDevice final : public BlockDevice {
 public:
  const DeviceGeometry& geometry() const override { return geometry_; }
  const std::string& name() const override { return name_; }
  Status run(std::span<IoRequest> batch) override { return admit_batch(*this, batch, false); }
  Status flush() override { return {}; }

 private:
  DeviceGeometry geometry_;
  std::string name_ = "no origin";
};

}  // namespace

Result<std::unique_ptr<OfflineStore>> OfflineStore::open(const StorePaths& paths,
                                                         DeviceAccess access,
                                                         const StoreInspection::Options& options) {
  std::unique_ptr<OfflineStore> store(new OfflineStore());
  DD_TRY(store->open_devices(paths, access));
  BlockDevice* const origin = store->origin_.device.get();
  const StoreDevices devices{*store->snapstore_.device, origin ? *origin : *store->no_origin_,
                             store->metadata_.device.get()};
  store->inspection_ = DD_TRY(StoreInspection::open(devices, options, store->random_));
  return store;
}

Status OfflineStore::open_devices(const StorePaths& paths, DeviceAccess access) {
  snapstore_ = DD_TRY(LockedDevice::open(paths.snapstore, access));
  no_origin_ = std::make_unique<NoDevice>();
  if (paths.origin.empty()) return {};
  // The origin is only read, but an exclusive lock wants a descriptor that could write.
  origin_ = DD_TRY(LockedDevice::open(paths.origin, access));
  DD_TRY(check_distinct(*snapstore_.device, *origin_.device));
  if (origin_.device->size_bytes() == 0)
    return fail(ErrorCode::kUsage, paths.origin + ": the origin is empty");
  if (paths.metadata.empty()) return {};
  metadata_ = DD_TRY(LockedDevice::open(paths.metadata, access));
  DD_TRY(check_distinct(*metadata_.device, *snapstore_.device));
  return check_distinct(*metadata_.device, *origin_.device);
}

Result<CheckReport> OfflineStore::check(WorkContext& context) {
  CheckReport report(inspection_->facts().uuid, inspection_->facts().geometry.chunk_shift);
  for (const Damage& damage : inspection_->found()) report.add(damage);
  std::uint64_t saved_chunks = 0;
  std::vector<CheckedSnapshot> snapshots;
  for (const BoundaryFacts& facts : inspection_->boundaries()) {
    saved_chunks += facts.exception_chunks + facts.private_chunks;
    if (facts.kind == BoundaryKind::kLive)
      snapshots.push_back({facts.epoch, facts.uuid, facts.tag, facts.size_bytes});
  }
  report.set_snapshots(std::move(snapshots));
  const std::uint64_t chunk_bytes = inspection_->facts().geometry.chunk_bytes();
  std::uint64_t slots_checked = 0;
  for (std::optional<CheckCursor> at = StoreInspection::first_piece(); at;) {
    const CheckPiece piece = inspection_->check_piece(*at);
    report.add(piece);
    slots_checked += piece.slots_checked;
    context.report({.chunks_done = slots_checked,
                    .chunks_total = std::max(saved_chunks, slots_checked),
                    .chunk_bytes = chunk_bytes});
    DD_TRY(context.rate_limit.take(piece.bytes_read, context.interruption));
    DD_TRY(context.interruption.check());
    at = piece.next;
  }
  return report;
}

}  // namespace ddsnap
