#include "server/admission.h"

#include <fmt/format.h>

#include "server/attachment_table.h"

namespace ddsnap {

void Admission::on_hello(SessionId session, std::uint64_t request_id, const HelloMessage& hello) {
  const Result<std::uint32_t> id = admit(hello);
  if (!id) {
    parts_.log.warning("target {} was refused: {}", hello.label, id.error().message());
    parts_.out.send_error(session, request_id, id.error());
    return;
  }
  replace_older_connection(*id);
  const Attachment attachment = *parts_.attachments.find(*id);
  parts_.attachments.bind(session, attachment);
  parts_.out.send(session, request_id, welcome(attachment));
  const auto snapshot = parts_.store.find(attachment.snapshot);
  parts_.log.info("target {} is attached to {} ({})", attachment.label,
                  attachment.is_origin ? "the origin"
                  : snapshot           ? "snapshot " + snapshot->tag
                                       : "a snapshot that is no more",
                  hello.is_returning ? "returned" : "new");
  if (attachment.is_origin) return;
  if (!snapshot || snapshot->kind != BoundaryKind::kLive || snapshot->is_dropping)
    dropping_.tell(session);
}

Result<std::uint32_t> Admission::admit(const HelloMessage& hello) {
  DD_TRY(check_devices(hello));
  return hello.is_returning ? admit_returning(hello) : admit_new(hello);
}

// T8: the same devices, through the same cache or through none.
Status Admission::check_devices(const HelloMessage& hello) const {
  const bool is_server_direct = parts_.config.is_direct;
  if (hello.is_kernel && !is_server_direct)
    return fail(ErrorCode::kUsage,
                "a kernel target needs a server that opened its devices with O_DIRECT "
                "('ddsnap server --direct on')");
  const bool has_devices = hello.pair != DevicePair{};
  if (has_devices && hello.pair != parts_.config.pair)
    return fail(ErrorCode::kUsage,
                fmt::format("this server serves {} with snapstore {}, not the devices of {}",
                            parts_.config.origin_path, parts_.config.snapstore_path, hello.label));
  const bool has_open_devices = has_devices || hello.is_returning;
  if (!hello.is_kernel && has_open_devices && hello.is_direct != is_server_direct)
    return fail(ErrorCode::kUsage,
                fmt::format("the server's devices are {}, those of {} are not",
                            is_server_direct ? "O_DIRECT" : "buffered", hello.label));
  return {};
}

Result<std::uint32_t> Admission::admit_returning(const HelloMessage& hello) {
  const Attachment* known = parts_.attachments.find(hello.attachment_id);
  const bool is_same = known != nullptr && known->target_uuid == hello.target_uuid &&
                       known->is_origin == (hello.role == TargetRole::kOrigin) &&
                       known->snapshot_uuid == hello.snapshot_uuid;
  if (!is_same)
    return fail(ErrorCode::kNotFound,
                fmt::format("attachment {} of target {} is not known any more", hello.attachment_id,
                            hello.label));
  return known->id;
}

Result<std::uint32_t> Admission::admit_new(const HelloMessage& hello) {
  Attachment attachment{.is_origin = hello.role == TargetRole::kOrigin,
                        .is_kernel = hello.is_kernel,
                        .target_uuid = hello.target_uuid,
                        .boot_id = hello.boot_id,
                        .dm_device_or_pid = hello.dm_device_or_pid,
                        .label = hello.label};
  if (!attachment.is_origin) {
    const BoundaryFacts snapshot = DD_TRY(find_snapshot(hello.tag));
    attachment.snapshot = snapshot.epoch;
    attachment.snapshot_uuid = snapshot.uuid;
  }
  if (const Attachment* known = parts_.attachments.find_target(hello.target_uuid)) {
    if (known->is_origin == attachment.is_origin &&
        known->snapshot_uuid == attachment.snapshot_uuid)
      return known->id;
    return fail(ErrorCode::kExists,
                fmt::format("target {} is attached to something else already", known->label));
  }
  if (parts_.store.attachments().size() >= kMaxAttachments)
    return fail(ErrorCode::kNoSpace,
                fmt::format("{} targets are attached, and there can be no more", kMaxAttachments));
  if (attachment.is_origin) origin_watch_.check();
  return parts_.attachments.attach(attachment);
}

Result<BoundaryFacts> Admission::find_snapshot(const std::string& tag) const {
  auto snapshot = parts_.store.find(tag);
  if (!snapshot) return fail(ErrorCode::kNotFound, fmt::format("snapshot {} does not exist", tag));
  if (snapshot->kind == BoundaryKind::kBookmark)
    return fail(ErrorCode::kUsage, fmt::format("{} is a bookmark: it has no data", tag));
  if (snapshot->kind == BoundaryKind::kDropped || snapshot->is_dropping)
    return fail(ErrorCode::kDropped,
                fmt::format("snapshot {} was dropped to make room in the snapstore", tag));
  return *std::move(snapshot);
}

void Admission::replace_older_connection(std::uint32_t attachment_id) {
  const auto older = parts_.attachments.session_of(attachment_id);
  if (!older) return;
  parts_.attachments.unbind(*older);
  parts_.out.close(*older);
}

HelloOkMessage Admission::welcome(const Attachment& attachment) const {
  const StoreFacts& facts = parts_.store.facts();
  HelloOkMessage ok{.store_uuid = facts.uuid,
                    .snapshot_uuid = attachment.snapshot_uuid,
                    .volume_bytes = facts.geometry.volume_bytes,
                    .slots_offset_bytes = facts.slots_offset_bytes,
                    .slot_count = facts.slots_total,
                    .epoch = parts_.store.last_created(),
                    .chunk_shift = facts.geometry.chunk_shift,
                    .attachment_id = attachment.id,
                    .is_direct = parts_.config.is_direct,
                    .origin_path = parts_.config.origin_path,
                    .snapstore_path = parts_.config.snapstore_path};
  if (!attachment.is_origin)
    if (const auto snapshot = parts_.store.find(attachment.snapshot))
      ok.volume_bytes = snapshot->size_bytes;
  return ok;
}

}  // namespace ddsnap
