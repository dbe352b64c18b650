#include "ddsnap/replica/wire_target.h"

#include <fmt/format.h>

#include "ddsnap/replica/command_link.h"
#include "ddsnap/replica/rotation.h"
#include "ddsnap/replica/session_connect.h"
#include "ddsnap/replica/session_sender.h"

namespace ddsnap {

namespace {

// The words of the far side pass two shells; the configuration has none that mean something there.
std::string ssh_command(const TargetConfig& target) {
  return fmt::format("exec {} '{}' \"'{}' listen --stdio '{}={}'\"", target.ssh, target.host,
                     target.program, kWireVolume, target.remote);
}

Result<std::unique_ptr<Channel>> reach(const TargetConfig& target,
                                       const Interruption& interruption) {
  if (target.transport == TargetConfig::Transport::kTcp)
    return connect_session(DD_TRY(parse_tcp_address(target.host)),
                           {.files = {.key = target.key,
                                      .certificate = target.certificate,
                                      .authority = target.authority},
                            .rate_limit_bytes = target.rate_limit_bytes},
                           interruption);
  auto link = DD_TRY(start_command_link(ssh_command(target)));
  return std::make_unique<Channel>(std::move(link), target.host,
                                   ChannelOptions{.rate_limit = RateLimit(target.rate_limit_bytes),
                                                  .interruption = &interruption});
}

Result<SendTally> send_once(const std::string& server, const TargetConfig& target,
                            const SendOptions& options, WorkContext& context) {
  const auto source = DD_TRY(open_server_source(server));
  const auto channel = DD_TRY(reach(target, context.interruption));
  return replicate_over(*channel, *source, options, context);
}

Status judge_audit(const SendTally& tally) {
  const std::vector<ByteRange>& differences = tally.audit->differences;
  if (differences.empty()) return {};
  return fail(ErrorCode::kDamaged,
              fmt::format("the audit found that the copy of '{}' differs in {} ranges, first {} "
                          "bytes at {}; 'ddsnap transmit --resync' sends what differs",
                          tally.to_tag, differences.size(), differences.front().length_bytes,
                          differences.front().offset_bytes));
}

}  // namespace

Status send_by_wire(const std::string& server, const TargetConfig& target, const HeldSnapshot& to,
                    TargetProgress& progress, const std::function<void(const std::string&)>& tell,
                    WorkContext& context) {
  SendOptions options{.to_tag = to.tag};
  options.volume = target.transport == TargetConfig::Transport::kTcp ? target.remote : kWireVolume;
  if (target.audit_parts > 0) {
    options.audit_parts = target.audit_parts;
    options.audit_part = progress.audit_part % target.audit_parts;
  }
  auto sent = send_once(server, target, options, context);
  if (!sent && sent.error().code == ErrorCode::kFailed && target.resyncs) {
    tell(fmt::format("{}: all of it is compared by hash, since changes could not be sent: {}",
                     target.label, sent.error().message()));
    options.is_resync = true;
    sent = send_once(server, target, options, context);
  }
  const SendTally tally = DD_TRY(std::move(sent));
  progress.sent = progress.acknowledged = to.uuid;
  progress.acknowledged_tag = to.tag;
  progress.acknowledged_made_s = made_s(to);
  if (!tally.audit) return {};
  DD_TRY(judge_audit(tally));
  progress.audit_part = (options.audit_part + 1) % target.audit_parts;
  return {};
}

}  // namespace ddsnap
