#include "ddsnap/replica/server_client.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "ddsnap/base/limits.h"

namespace ddsnap {

namespace {

constexpr std::chrono::milliseconds kRetryPause{200};
constexpr std::uint64_t kAnswerGrace_ms = 5000;

std::unexpected<Error> no_progress() {
  return fail(ErrorCode::kDamaged, "the server's list does not go on");
}

// The facts that every part of a changelist repeats are those of the first.
Status take_part(const ChangelistPartMessage& part, bool is_first, Changelist& list) {
  if (is_first) {
    list.from_uuid = part.from_uuid;
    list.to_uuid = part.to_uuid;
    list.from_bytes = part.from_bytes;
    list.to_bytes = part.to_bytes;
    list.chunk_shift = part.chunk_shift;
  } else if (part.from_uuid != list.from_uuid || part.to_uuid != list.to_uuid ||
             part.from_bytes != list.from_bytes || part.to_bytes != list.to_bytes ||
             part.chunk_shift != list.chunk_shift) {
    return fail(ErrorCode::kBusy, "the snapshots changed while their changelist was read; again");
  }
  std::uint64_t lowest = list.ranges.empty() ? 0 : list.ranges.back().end();
  for (const ChangelistPartMessage::Entry& entry : part.entries) {
    if (entry.chunk.value < lowest) return fail(ErrorCode::kDamaged, "chunks out of order");
    list.append(entry.chunk, entry.from_hash);
    lowest = std::uint64_t{entry.chunk.value} + 1;
  }
  return {};
}

Result<Connection> open_connection(const std::string& address) {
  Result<Connection> connection = Connection::open(address, kConnectTimeout_ms);
  if (connection) return connection;
  const ErrorCode code = connection.error().code;
  if (code != ErrorCode::kNotFound && code != ErrorCode::kDisconnected) return connection;
  const bool is_name = address.find('/') == std::string::npos && !address.starts_with('@');
  if (is_name)
    return fail(code,
                fmt::format("{}: neither a volume of this host nor a server's socket; 'ddsnap "
                            "volume list' tells the volumes",
                            address));
  return fail(code, fmt::format("{}: no server answers there; start it with 'ddsnap volume start' "
                                "or 'ddsnap server'",
                                address));
}

}  // namespace

Result<ServerClient> ServerClient::connect(const std::string& address) {
  Connection connection = DD_TRY(open_connection(address));
  return ServerClient(address, std::move(connection));
}

template <class Answer, class Request>
Result<Answer> ServerClient::ask(const Request& request, std::uint64_t timeout_ms) {
  Result<Answer> answer = connection_.call<Answer>(request, timeout_ms);
  if (!answer) return with_context(address_, std::move(answer).error());
  return answer;
}

Status ServerClient::reconnect() {
  connection_ = DD_TRY(open_connection(address_));
  return {};
}

Status ServerClient::create(const CreateSnapshotMessage& request) {
  for (int tries = 0;; ++tries) {
    const Result<OkMessage> answer = ask<OkMessage>(request);
    if (answer) return {};
    if (answer.error().code != ErrorCode::kDisconnected || tries == kMaxCreateRetries)
      return std::unexpected(answer.error());
    // The server may be starting again; if nobody is there yet, the next round's call says so.
    std::this_thread::sleep_for(kRetryPause);
    if (const Status again = reconnect(); !again && tries == kMaxCreateRetries) return again;
  }
}

// A server that takes longer than the barrier may be held holds nothing any more, and is given some
// time to say who kept it waiting.
Status ServerClient::prepare(const PrepareSnapshotMessage& request) {
  DD_TRY(ask<OkMessage>(request, request.hold_ms + kAnswerGrace_ms));
  return {};
}

Status ServerClient::commit(const CommitSnapshotMessage& request, std::uint64_t timeout_ms) {
  Result<OkMessage> answer = ask<OkMessage>(request, timeout_ms);
  if (!answer && answer.error().code == ErrorCode::kDisconnected) {
    DD_TRY(reconnect());
    answer = ask<OkMessage>(request, timeout_ms);
  }
  if (!answer) return std::unexpected(std::move(answer).error());
  return {};
}

Status ServerClient::abort(const AbortSnapshotMessage& request, std::uint64_t timeout_ms) {
  DD_TRY(ask<OkMessage>(request, timeout_ms));
  return {};
}

Status ServerClient::remove(const DeleteSnapshotMessage& request) {
  DD_TRY(ask<OkMessage>(request));
  return {};
}

Status ServerClient::set_priority(const SetPriorityMessage& request) {
  DD_TRY(ask<OkMessage>(request));
  return {};
}

Result<UseCountMessage> ServerClient::add_use_count(const AddUseCountMessage& request) {
  return ask<UseCountMessage>(request);
}

Status ServerClient::force_detach(const ForceDetachMessage& request) {
  DD_TRY(ask<OkMessage>(request));
  return {};
}

Result<ResizedMessage> ServerClient::resize(const ResizeMessage& request) {
  return ask<ResizedMessage>(request);
}

Result<CheckPartMessage> ServerClient::check(const CheckStoreMessage& request) {
  return ask<CheckPartMessage>(request);
}

Result<ServerStatusMessage> ServerClient::status() {
  return ask<ServerStatusMessage>(GetStatusMessage{});
}

Result<std::vector<SnapshotEntry>> ServerClient::snapshots() {
  std::vector<SnapshotEntry> all;
  for (bool has_more = true; has_more;) {
    const Epoch after = all.empty() ? Epoch{} : all.back().epoch;
    const auto page = DD_TRY(ask<SnapshotListMessage>(ListSnapshotsMessage{.after = after}));
    has_more = page.has_more;
    if (has_more && (page.entries.empty() || page.entries.back().epoch <= after))
      return no_progress();
    all.insert(all.end(), page.entries.begin(), page.entries.end());
  }
  return all;
}

Result<std::vector<TargetEntry>> ServerClient::targets() {
  std::vector<TargetEntry> all;
  for (bool has_more = true; has_more;) {
    const std::uint32_t after = all.empty() ? 0 : all.back().attachment_id;
    const auto page =
        DD_TRY(ask<TargetListMessage>(ListTargetsMessage{.after_attachment_id = after}));
    has_more = page.has_more;
    if (has_more && (page.entries.empty() || page.entries.back().attachment_id <= after))
      return no_progress();
    all.insert(all.end(), page.entries.begin(), page.entries.end());
  }
  return all;
}

Result<std::vector<SpaceEntry>> ServerClient::space() {
  std::vector<SpaceEntry> all;
  for (bool has_more = true; has_more;) {
    const Epoch after = all.empty() ? Epoch{} : all.back().epoch;
    const auto page = DD_TRY(ask<SpaceListMessage>(GetSpaceMessage{.after = after}));
    has_more = page.has_more;
    if (has_more && page.entries.back().epoch <= after) return no_progress();
    all.insert(all.end(), page.entries.begin(), page.entries.end());
  }
  return all;
}

Result<EventListMessage> ServerClient::events(std::uint64_t after) {
  return ask<EventListMessage>(GetEventsMessage{.after = after});
}

Result<Changelist> ServerClient::changelist(const std::string& from_tag,
                                            const std::string& to_tag) {
  Changelist list;
  list.from_tag = from_tag;
  list.to_tag = to_tag;
  list.to_is_now = to_tag == "now";
  GetChangelistMessage question{.from_tag = from_tag, .to_tag = to_tag, .start_chunk = 0};
  for (bool is_first = true;; is_first = false) {
    const auto part = DD_TRY(ask<ChangelistPartMessage>(question));
    if (const Status taken = take_part(part, is_first, list); !taken)
      return with_context(address_, taken.error());
    if (!part.next_chunk) break;
    if (*part.next_chunk <= question.start_chunk) return no_progress();
    question.start_chunk = *part.next_chunk;
  }
  if (const Status checked = list.check(); !checked) return with_context(address_, checked.error());
  return list;
}

}  // namespace ddsnap
