#include "ddsnap/replica/tcp_target.h"

#include <fmt/format.h>

#include "ddsnap/replica/rotation.h"
#include "ddsnap/replica/session_connect.h"
#include "ddsnap/replica/session_sender.h"

namespace ddsnap {

namespace {

Status judge_audit(const AuditTally& audit, const HeldSnapshot& to) {
  if (audit.differences.empty()) return {};
  const ByteRange& first = audit.differences.front();
  return fail(
      ErrorCode::kDamaged,
      fmt::format("the audit found that the copy of '{}' differs in {} ranges, first {} "
                  "bytes at {}; 'ddsnap transmit --resync' sends what differs",
                  to.tag, audit.differences.size(), first.length_bytes, first.offset_bytes));
}

}  // namespace

Status send_by_tcp(const TargetConfig& target, const std::string& server, const HeldSnapshot& to,
                   TargetProgress& progress, WorkContext& context) {
  const auto source = DD_TRY(open_server_source(server));
  const auto channel = DD_TRY(
      connect_session(DD_TRY(parse_tcp_address(target.host)),
                      {.files = {.key = target.key}, .rate_limit_bytes = target.rate_limit_bytes},
                      context.interruption));
  const SendOptions options{.volume = target.remote,
                            .to_tag = to.tag,
                            .audit_part = progress.audit_part,
                            .audit_parts = target.audit_parts};
  const SendTally tally = DD_TRY(replicate_over(*channel, *source, options, context));
  progress.sent = progress.acknowledged = to.uuid;
  progress.acknowledged_tag = to.tag;
  progress.acknowledged_made_s = made_s(to);
  if (!tally.audit) return {};
  DD_TRY(judge_audit(*tally.audit, to));
  progress.audit_part = (progress.audit_part + 1) % target.audit_parts;
  return {};
}

}  // namespace ddsnap
