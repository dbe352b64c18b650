#include "server/store/inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "server/store/snap_store_impl.h"

namespace ddsnap {

struct StoreInspection::Parts {
  SnapStore::Impl::Salvage salvage;
  std::unique_ptr<SnapStore::Impl> store;
};

StoreInspection::StoreInspection() : parts_(std::make_unique<Parts>()) {}
StoreInspection::~StoreInspection() = default;

namespace {

// The copies of the data device's superblock, where there are such.
Status look_at_data_device(const StoreDevices& devices, Superblock& metadata,
                           std::vector<Damage>& found) {
  const auto finding = DD_TRY(check_data_device(devices.snapstore, metadata));
  if (finding) found.push_back({.kind = DamageKind::kSuperblock, .text = *finding});
  return {};
}

}  // namespace

Result<std::unique_ptr<StoreInspection>> StoreInspection::open(const StoreDevices& devices,
                                                               const Options& options,
                                                               RandomSource& random) {
  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  SuperblockRead read = DD_TRY(read_superblock(metadata, StoreRole::kMetadata));
  const Layout& layout = read.superblock.layout;
  if (const Status sane = check_metadata_layout(layout, metadata); !sane)
    return with_context(metadata.name(), sane.error());
  std::unique_ptr<StoreInspection> inspection(new StoreInspection());
  Parts& parts = *inspection->parts_;
  parts.salvage.gives_up_unreadable = options.gives_up_unreadable;
  std::vector<Damage>& found = parts.salvage.found;
  if (read.finding) found.push_back({.kind = DamageKind::kSuperblock, .text = *read.finding});
  if (const Status sane = check_layout(layout, devices); !sane) {
    // Slots that are cut off are damage like any other.
    if (layout.end_of_slots_bytes() <= devices.snapstore.size_bytes())
      return with_context(metadata.name(), sane.error());
    found.push_back({.kind = DamageKind::kDevice, .text = sane.error().message()});
  }
  if (devices.metadata) DD_TRY(look_at_data_device(devices, read.superblock, found));
  parts.store =
      std::make_unique<SnapStore::Impl>(devices, SnapStore::Options{}, random, read.superblock);
  parts.store->stale_superblock_copy = read.stale_copy;
  parts.store->salvage = &parts.salvage;
  parts.store->max_ranges_told = std::numeric_limits<std::size_t>::max();
  if (Status loaded = parts.store->load(); !loaded) {
    Error error = std::move(loaded).error();
    if (error.code == ErrorCode::kDamaged)
      error.text += "; nothing is left to go by, only 'ddsnap initialize -y' helps";
    return with_context(metadata.name(), std::move(error));
  }
  return inspection;
}

const StoreFacts& StoreInspection::facts() const {
  return parts_->store->facts;
}

std::vector<BoundaryFacts> StoreInspection::boundaries() const {
  std::vector<BoundaryFacts> all;
  for (const auto& [epoch, boundary] : parts_->store->state.boundaries)
    all.push_back(boundary.facts());
  return all;
}

const std::vector<Damage>& StoreInspection::found() const {
  return parts_->salvage.found;
}

Status StoreInspection::repair() {
  SnapStore::Impl& store = *parts_->store;
  const auto& found = parts_->salvage.found;
  const auto device = std::ranges::find(found, DamageKind::kDevice, &Damage::kind);
  if (device != found.end())
    return fail(ErrorCode::kDamaged, device->text + "; make it as long as it was first");
  for (const auto& [where, chunks] : parts_->salvage.wrong_slots) {
    Boundary& boundary = *store.state.find(Epoch{where.first});
    (where.second ? boundary.private_table : boundary.table)->lose(chunks);
    SnapStore::Impl::keep_losses(boundary);
  }
  DD_TRY(store.derive_used_slots());
  return store.start_anew({});
}

Status StoreInspection::give_up(Epoch snapshot) {
  SnapStore::Impl& store = *parts_->store;
  for (const Attachment& attachment : store.state.attachments)
    if (!attachment.is_origin && attachment.snapshot == snapshot)
      return fail(ErrorCode::kBusy, fmt::format("target {} is attached to it", attachment.label));
  DD_TRY(store.commit(RemoveOp{snapshot, SnapStore::Keep::kDropped}, 0));
  return store.journal.seal();
}

CheckPiece StoreInspection::check_piece(const CheckCursor& from) {
  return parts_->store->check_piece(from);
}

}  // namespace ddsnap
