#include "ddsnap/cli/attach_volume.h"

#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/daemon.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

namespace {

Result<AttachWay> way_of(const AttachWish& wish) {
  if (wish.how == "dm") return AttachWay::kMapped;
  if (wish.how == "nbdfuse") return AttachWay::kFuse;
  if (wish.how == "auto") return choose_way(wish.control);
  return fail(ErrorCode::kUsage, "--how is dm, nbdfuse or auto");
}

// What the server says of it, before anything is made.
Result<AttachRequest> ask_server(const AttachWish& wish) {
  ServerClient client = DD_TRY(ServerClient::connect(wish.server));
  AttachRequest request {
    .status = DD_TRY(client.status())
    , .control = absolute_path(wish.control)
  };
  request.size_bytes = request.status.origin_bytes;
  if (wish.tag.empty()) return request;
  const std::vector<SnapshotEntry> snapshots = DD_TRY(client.snapshots());
  const auto found = std::ranges::find(snapshots, wish.tag, &SnapshotEntry::tag);
  if (found == snapshots.end() || found->state != BoundaryState::kLive)
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: there is no snapshot {} with data", wish.server, wish.tag));
  request.size_bytes = found->size_bytes;
  return request;
}

}  // namespace

Result<AttachmentRecord> attach_volume(const AttachWish& wish) {
  AttachRequest request = DD_TRY(ask_server(wish));
  const std::string server = absolute_path(wish.server);
  LocalAttachment attachment = DD_TRY(LocalAttachment::open(server, wish.tag));
  if (attachment.is_whole()) {
    if (attachment.record()->is_writable != wish.is_writable)
      return fail(
          ErrorCode::kBusy,
          fmt::format("{}: is attached {} as {}; 'ddsnap detach' first", wish.server,
                      wish.is_writable ? "read-only" : "for writing", attachment.record()->device));
    return *attachment.record();
  }
  DD_TRY(attachment.end());  // what a crash left of it
  attachment = DD_TRY(LocalAttachment::open(server, wish.tag));
  request.record = {
    .way = DD_TRY(way_of(wish)),
    .server = server,
    .tag = wish.tag,
    .is_writable = wish.is_writable,
    .mount_point = wish.mount_point,
    .name = wish.name
  };
  DD_TRY(attachment.make(request));
  return *attachment.record();
}

Status detach_volume(const std::string& server, const std::string& tag) {
  LocalAttachment attachment = DD_TRY(LocalAttachment::open(absolute_path(server), tag));
  return attachment.end();
}

}  // namespace ddsnap
