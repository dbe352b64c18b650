#include "server/store/inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "server/store/snap_store_impl.h"
#include "server/store/superblock_search.h"

namespace ddsnap {

struct StoreInspection::Parts {
  SnapStore::Impl::Salvage salvage;
  std::unique_ptr<SnapStore::Impl> store;

  Status prove_snapstore() const;
};

// Of a snapstore that does not say whose it is, most slots must hold what the tables say.
Status StoreInspection::Parts::prove_snapstore() const {
  if (!salvage.must_prove_snapstore) return {};
  std::uint64_t wrong_slots = 0;
  for (const auto& [where, chunks] : salvage.wrong_slots)
    if (!where.second) wrong_slots += chunks.cardinality();
  if (wrong_slots <= salvage.right_slots) return {};
  return fail(ErrorCode::kDamaged,
              fmt::format("{}: is this the snapstore of that metadata? It does not say so, and of "
                          "{} slots {} do not hold what was saved",
                          store->snapstore.name(), wrong_slots + salvage.right_slots, wrong_slots));
}

StoreInspection::StoreInspection() : parts_(std::make_unique<Parts>()) {}
StoreInspection::~StoreInspection() = default;

namespace {

bool may_have_a_third_copy(const Error& error) {
  return error.code == ErrorCode::kDamaged || error.code == ErrorCode::kNotInitialized ||
         error.code == ErrorCode::kIo;
}

Result<SuperblockRead> read_or_find_superblock(const StoreDevices& devices) {
  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  auto read = read_superblock(metadata, StoreRole::kMetadata);
  if (read || !may_have_a_third_copy(read.error())) return read;
  auto found = DD_TRY(find_third_superblock(metadata, devices.metadata != nullptr));
  if (!found) return read;
  found->findings.push_back(
      fmt::format("{}; copy 2 can be used, at byte {} (store {}, checkpoint {})",
                  read.error().message(), found->superblock.layout.superblock_offset_bytes(2),
                  found->superblock.store.to_string(), found->superblock.sequence));
  return std::move(*found);
}

// Which copies of the data device's superblock are stale. Without one that is not, only the slots
// tell whose snapstore it is.
Result<std::vector<int>> look_at_data_device(const StoreDevices& devices, Superblock& metadata,
                                             SnapStore::Impl::Salvage& salvage) {
  const auto note = [&](std::string text) {
    salvage.found.push_back({.kind = DamageKind::kSuperblock, .text = std::move(text)});
  };
  if (const auto read = read_superblock(devices.snapstore, StoreRole::kData);
      !read && may_have_a_third_copy(read.error())) {
    note(read.error().message());
    salvage.must_prove_snapstore = true;
    return std::vector<int>{};
  }
  SuperblockRead data = DD_TRY(check_data_device(devices.snapstore, metadata));
  for (std::string& finding : data.findings) note(std::move(finding));
  return std::move(data.stale_copies);
}

}  // namespace

Result<std::unique_ptr<StoreInspection>> StoreInspection::open(const StoreDevices& devices,
                                                               const Options& options,
                                                               RandomSource& random) {
  BlockDevice& metadata = devices.metadata ? *devices.metadata : devices.snapstore;
  SuperblockRead read = DD_TRY(read_or_find_superblock(devices));
  const Layout& layout = read.superblock.layout;
  if (const Status sane = check_metadata_layout(layout, metadata); !sane)
    return with_context(metadata.name(), sane.error());
  std::unique_ptr<StoreInspection> inspection(new StoreInspection());
  Parts& parts = *inspection->parts_;
  parts.salvage.gives_up_unreadable = options.gives_up_unreadable;
  std::vector<Damage>& found = parts.salvage.found;
  for (const std::string& finding : read.findings)
    found.push_back({.kind = DamageKind::kSuperblock, .text = finding});
  if (const Status sane = check_layout(layout, devices); !sane) {
    // Slots that are cut off are damage like any other.
    if (layout.end_of_slots_bytes() <= devices.snapstore.size_bytes())
      return with_context(metadata.name(), sane.error());
    found.push_back({.kind = DamageKind::kDevice, .text = sane.error().message()});
  }
  std::vector<int> stale_data_copies;
  if (devices.metadata)
    stale_data_copies = DD_TRY(look_at_data_device(devices, read.superblock, parts.salvage));
  parts.store =
      std::make_unique<SnapStore::Impl>(devices, SnapStore::Options{}, random, read.superblock);
  parts.store->stale_superblock_copies = read.stale_copies;
  parts.store->stale_data_copies = std::move(stale_data_copies);
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
  if (const Status proven = parts_->prove_snapstore(); !proven) return proven;
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
