// Who is attached, durably, and which of them is connected now (T4).
//
// Shape     The store remembers the attachments; this table adds the connection that each present
//           one uses. An attachment without one is absent: it still counts, until it returns, is
//           proven gone, or is detached by order.
// Errors    As the store's; presence changes cannot fail.
// Threads   None inside.
// Lifetime  Borrows store, probe and log.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/log.h"
#include "server/ownership_probe.h"
#include "server/session_id.h"
#include "server/store/snap_store.h"

namespace ddsnap {

class AttachmentTable {
 public:
  // What a connected target is.
  struct Binding {
    std::uint32_t attachment_id = 0;
    bool is_origin = true;
    Epoch snapshot;  // 0 for the origin
    std::string label;
  };

  AttachmentTable(SnapStore& store, OwnershipProbe& probe, LogSink& log)
      : store_(store), probe_(probe), log_(log) {}

  // ---- durable ----
  Result<std::uint32_t> attach(const Attachment& attachment) { return store_.attach(attachment); }
  // Forgets it, durably; its session, if any, is a target no longer.
  Status detach(std::uint32_t attachment_id);
  const Attachment* find(std::uint32_t attachment_id) const;
  const Attachment* find_target(const Uuid& target_uuid) const;
  const Attachment* find_label(const std::string& label) const;

  // ---- present ----
  // Requires: the session is bound to nothing, and nothing is bound to the attachment.
  void bind(SessionId session, const Attachment& attachment);
  // The connection is gone: the attachment is absent from now on.
  void unbind(SessionId session);
  const Binding* binding_of(SessionId session) const;
  std::optional<SessionId> session_of(std::uint32_t attachment_id) const;
  bool is_present(std::uint32_t attachment_id) const {
    return session_of(attachment_id).has_value();
  }
  std::size_t present_count() const { return sessions_.size(); }

  // ---- by what they use ----
  std::vector<SessionId> origin_sessions() const;
  std::vector<SessionId> snapshot_sessions(Epoch snapshot) const;
  std::vector<std::uint32_t> of_snapshot(Epoch snapshot) const;
  std::uint32_t count_of(Epoch snapshot) const;
  // Any origin target that is attached and not connected.
  const Attachment* absent_origin() const;

  // ---- proving absent ones gone ----
  // Probes the absent ones of one snapshot (0: of the origin), forgets those proven gone.
  void forget_gone(Epoch snapshot);
  // Probes the next few absent ones, whatever they use.
  void forget_some_gone();

 private:
  void forget_if_gone(const Attachment& attachment);

  SnapStore& store_;
  OwnershipProbe& probe_;
  LogSink& log_;
  std::map<SessionId, Binding> bindings_;
  std::map<std::uint32_t, SessionId> sessions_;
  std::uint32_t last_probed_id_ = 0;
};

}  // namespace ddsnap
