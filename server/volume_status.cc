#include "server/volume_status.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/attachment_table.h"
#include "server/room_watch.h"

namespace ddsnap {

namespace {

// What an administrator should know, in plain words.
std::vector<std::string> warnings_of(const VolumeParts& parts, const StoreUsage& usage,
                                     const std::string& swap_on_origin) {
  std::vector<std::string> all;
  if (!swap_on_origin.empty())
    all.push_back(fmt::format("swap area {} lies on this volume, where it can lock the host up",
                              swap_on_origin));
  if (usage.lost_chunks != 0)
    all.push_back(
        fmt::format("{} chunks of snapshots are lost: the origin could not be read when "
                    "they were to be saved",
                    usage.lost_chunks));
  if (usage.repeated_writes != 0)
    all.push_back(
        fmt::format("{} writes or flushes of the snapstore failed and succeeded when "
                    "repeated: its device may be failing",
                    usage.repeated_writes));
  if (parts.store.is_track_lost())
    all.push_back(
        "the origin was written unseen: older snapshots may hold later content, and "
        "changelists across that time are refused");
  for (std::string& sentence : room_warnings(parts.store)) all.push_back(std::move(sentence));
  return all;
}

}  // namespace

ServerStatusMessage status_of(const VolumeParts& parts, const std::string& swap_on_origin) {
  const StoreFacts& facts = parts.store.facts();
  const StoreUsage usage = parts.store.usage();
  const StepDown& fall = parts.store.step_down();
  const StoreSettings& settings = parts.store.settings();
  const bool is_closed = parts.config.is_without_store;
  const std::size_t present = parts.attachments.present_count();
  return {.store_uuid = facts.uuid,
          .chunk_shift = facts.geometry.chunk_shift,
          .origin_bytes = facts.geometry.volume_bytes,
          .created_ns = facts.created_ns,
          .slots_total = facts.slots_total,
          .slots_free = usage.slots_free,
          .metadata_bytes_total = facts.metadata_bytes_total,
          .metadata_bytes_used = usage.metadata_bytes_used,
          .journal_bytes_total = facts.journal_bytes_total,
          .journal_bytes_used = usage.journal_bytes_used,
          .boundaries = parts.store.boundary_count(),
          .exceptions = usage.exceptions,
          .targets_present = present,
          .targets_absent = parts.store.attachments().size() - present,
          .first_writes = usage.first_writes,
          .batches = usage.batches,
          .lost_chunks = usage.lost_chunks,
          .repeated_writes = usage.repeated_writes,
          .ladder = static_cast<std::uint32_t>(is_closed ? Rung::kClosed : fall.rung),
          .ladder_why = is_closed ? "the origin was opened without its snapstore" : fall.why,
          .origin_stops = settings.on_failure == OnStoreFailure::kOriginStops,
          .warn_percent = settings.warn_percent,
          .warnings = warnings_of(parts, usage, swap_on_origin),
          .origin_path = parts.config.origin_path,
          .snapstore_path = parts.config.snapstore_path,
          .metadata_path = parts.config.metadata_path};
}

TargetListMessage targets_of(const VolumeParts& parts, const ListTargetsMessage& message) {
  std::vector<const Attachment*> after;
  for (const Attachment& attachment : parts.store.attachments())
    if (attachment.id > message.after_attachment_id) after.push_back(&attachment);
  std::ranges::sort(after, {}, &Attachment::id);
  TargetListMessage answer;
  answer.has_more = after.size() > kMaxTargetListEntries;
  if (answer.has_more) after.resize(kMaxTargetListEntries);
  for (const Attachment* attachment : after) {
    const auto snapshot = parts.store.find(attachment->snapshot);
    answer.entries.push_back(
        {.attachment_id = attachment->id,
         .role = attachment->is_origin ? TargetRole::kOrigin : TargetRole::kSnapshot,
         .is_present = parts.attachments.is_present(attachment->id),
         .tag = snapshot ? snapshot->tag : std::string{},
         .label = attachment->label});
  }
  return answer;
}

}  // namespace ddsnap
