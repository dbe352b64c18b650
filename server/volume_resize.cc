#include "server/volume_resize.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/attachment_table.h"

namespace ddsnap {

Result<ResizedMessage> VolumeResize::run(const ResizeMessage& message) {
  if (parts_.config.is_without_store)
    return fail(ErrorCode::kFailed, "the origin was opened without its snapstore");
  // While it has its old size: what was written behind our back is not to pass for growth (T11).
  watch_.check();
  if (parts_.config.refresh_devices) DD_TRY(parts_.config.refresh_devices());
  DD_TRY(check_wanted(message.origin_bytes, parts_.config.origin_path, parts_.origin.size_bytes()));
  if (message.snapstore_bytes != 0 && message.snapstore_bytes != kAsItsDevice)
    return fail(ErrorCode::kUsage, "a snapstore takes all of its device");
  const bool has_more_slots = parts_.store.slots_after_growth() > parts_.store.facts().slots_total;
  if (message.snapstore_bytes != 0 && has_more_slots) DD_TRY(check_nobody_counts_slots());
  if (message.is_dry_run) return outlook(message);
  DD_TRY(grow(message));
  const StoreFacts& facts = parts_.store.facts();
  parts_.log.info("the origin has {} bytes, the snapstore {} slots", facts.geometry.volume_bytes,
                  facts.slots_total);
  return outlook({});
}

Status VolumeResize::check_wanted(std::uint64_t wanted_bytes, const std::string& path,
                                  std::uint64_t device_bytes) const {
  if (wanted_bytes == 0 || wanted_bytes == kAsItsDevice || wanted_bytes == device_bytes) return {};
  return fail(ErrorCode::kUsage, fmt::format("{}: has {} bytes, not {}; its own tools change that",
                                             path, device_bytes, wanted_bytes));
}

Status VolumeResize::check_nobody_counts_slots() const {
  const auto& all = parts_.store.attachments();
  const auto user = std::ranges::find(all, false, &Attachment::is_origin);
  if (user == all.end()) return {};
  return fail(ErrorCode::kBusy,
              fmt::format("target {} of a snapshot knows the snapstore's old size; end it first",
                          user->label));
}

Status VolumeResize::grow(const ResizeMessage& message) {
  if (message.snapstore_bytes != 0) DD_TRY(parts_.store.grow_slots());
  if (message.origin_bytes == 0) return {};
  const bool was_sealed = parts_.store.origin_digest().has_value();
  DD_TRY(parts_.store.grow_origin());
  if (was_sealed) watch_.on_last_detach();
  return {};
}

ResizedMessage VolumeResize::outlook(const ResizeMessage& message) const {
  const StoreFacts& facts = parts_.store.facts();
  return {.origin_bytes =
              message.origin_bytes == 0 ? facts.geometry.volume_bytes : parts_.origin.size_bytes(),
          .slots_total =
              message.snapstore_bytes == 0 ? facts.slots_total : parts_.store.slots_after_growth(),
          .metadata_bytes_total = facts.metadata_bytes_total};
}

}  // namespace ddsnap
