#include "server/attachment_table.h"

#include <algorithm>

namespace ddsnap {

namespace {

template <class Predicate>
const Attachment* find_where(const std::vector<Attachment>& all, Predicate matches) {
  const auto found = std::find_if(all.begin(), all.end(), matches);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

Status AttachmentTable::detach(std::uint32_t attachment_id) {
  DD_TRY(store_.detach(attachment_id));
  const auto present = sessions_.find(attachment_id);
  if (present == sessions_.end()) return {};
  bindings_.erase(present->second);
  sessions_.erase(present);
  return {};
}

const Attachment* AttachmentTable::find(std::uint32_t attachment_id) const {
  return find_where(store_.attachments(),
                    [&](const Attachment& a) { return a.id == attachment_id; });
}

const Attachment* AttachmentTable::find_target(const Uuid& target_uuid) const {
  return find_where(store_.attachments(),
                    [&](const Attachment& a) { return a.target_uuid == target_uuid; });
}

const Attachment* AttachmentTable::find_label(const std::string& label) const {
  return find_where(store_.attachments(), [&](const Attachment& a) { return a.label == label; });
}

void AttachmentTable::bind(SessionId session, const Attachment& attachment) {
  DD_CHECK(!bindings_.contains(session) && !sessions_.contains(attachment.id));
  bindings_[session] = {.attachment_id = attachment.id,
                        .is_origin = attachment.is_origin,
                        .snapshot = attachment.snapshot,
                        .label = attachment.label};
  sessions_[attachment.id] = session;
}

void AttachmentTable::unbind(SessionId session) {
  const auto bound = bindings_.find(session);
  if (bound == bindings_.end()) return;
  sessions_.erase(bound->second.attachment_id);
  bindings_.erase(bound);
}

const AttachmentTable::Binding* AttachmentTable::binding_of(SessionId session) const {
  const auto bound = bindings_.find(session);
  return bound == bindings_.end() ? nullptr : &bound->second;
}

std::optional<SessionId> AttachmentTable::session_of(std::uint32_t attachment_id) const {
  const auto present = sessions_.find(attachment_id);
  if (present == sessions_.end()) return std::nullopt;
  return present->second;
}

std::vector<SessionId> AttachmentTable::origin_sessions() const {
  std::vector<SessionId> result;
  for (const auto& [session, binding] : bindings_)
    if (binding.is_origin) result.push_back(session);
  return result;
}

std::vector<SessionId> AttachmentTable::snapshot_sessions(Epoch snapshot) const {
  std::vector<SessionId> result;
  for (const auto& [session, binding] : bindings_)
    if (!binding.is_origin && binding.snapshot == snapshot) result.push_back(session);
  return result;
}

std::vector<std::uint32_t> AttachmentTable::of_snapshot(Epoch snapshot) const {
  std::vector<std::uint32_t> result;
  for (const Attachment& attachment : store_.attachments())
    if (!attachment.is_origin && attachment.snapshot == snapshot) result.push_back(attachment.id);
  return result;
}

std::uint32_t AttachmentTable::count_of(Epoch snapshot) const {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(store_.attachments(), [&](const Attachment& attachment) {
        return !attachment.is_origin && attachment.snapshot == snapshot;
      }));
}

const Attachment* AttachmentTable::absent_origin() const {
  return find_where(store_.attachments(),
                    [&](const Attachment& a) { return a.is_origin && !is_present(a.id); });
}

void AttachmentTable::forget_gone(Epoch snapshot) {
  const std::vector<Attachment> all = store_.attachments();  // a copy: forgetting changes the list
  for (const Attachment& attachment : all)
    if (attachment.snapshot == snapshot && !is_present(attachment.id)) forget_if_gone(attachment);
}

void AttachmentTable::forget_some_gone() {
  std::vector<Attachment> absent;
  for (const Attachment& attachment : store_.attachments())
    if (!is_present(attachment.id)) absent.push_back(attachment);
  std::ranges::sort(absent, {}, &Attachment::id);
  const auto next = std::ranges::upper_bound(absent, last_probed_id_, {}, &Attachment::id);
  std::ranges::rotate(absent, next);
  if (absent.size() > kMaxProbesPerTurn) absent.resize(kMaxProbesPerTurn);
  for (const Attachment& attachment : absent) {
    last_probed_id_ = attachment.id;
    forget_if_gone(attachment);
  }
}

void AttachmentTable::forget_if_gone(const Attachment& attachment) {
  if (!probe_.is_gone(attachment)) return;
  const Status detached = store_.detach(attachment.id);
  if (!detached) {
    log_.error("cannot forget target {}, which is gone: {}", attachment.label,
               detached.error().message());
    return;
  }
  log_.info("target {} is gone: forgotten", attachment.label);
}

}  // namespace ddsnap
