#include "server/volume_status.h"

#include <algorithm>

#include "server/attachment_table.h"

namespace ddsnap {

ServerStatusMessage status_of(const VolumeParts& parts, Ladder ladder) {
  const StoreFacts& facts = parts.store.facts();
  const StoreUsage usage = parts.store.usage();
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
          .ladder = static_cast<std::uint32_t>(ladder),
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
