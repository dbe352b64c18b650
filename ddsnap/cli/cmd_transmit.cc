#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/codec_option.h"
#include "ddsnap/cli/peer_options.h"
#include "ddsnap/cli/progress_report.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/command_link.h"
#include "ddsnap/replica/server_address.h"
#include "ddsnap/replica/session_sender.h"

namespace ddsnap {

namespace {

constexpr int kStatusOfDifference = 3;

struct Options {
  std::string server;
  std::string host;     // empty: --command
  std::string command;  // what the listener is reached through
  std::string volume;
  std::string progress_path;
  std::string audit;
  std::uint64_t rate_limit_bytes = 0;
  std::uint64_t window_bytes = kSessionWindowBytes;
  bool as_json = false;
  CodecOption codec;
  PeerOptions link;
  SendOptions send;
  std::vector<std::string> objects;
};

// "17/168": that part, of so many.
Status parse_audit(const std::string& text, SendOptions& send) {
  if (text.empty()) return {};
  const char* const end = text.data() + text.size();
  const auto part = std::from_chars(text.data(), end, send.audit_part);
  if (part.ec == std::errc() && part.ptr != end && *part.ptr == '/') {
    const auto parts = std::from_chars(part.ptr + 1, end, send.audit_parts);
    if (parts.ec == std::errc() && parts.ptr == end && send.audit_parts > 0) return {};
  }
  return fail(ErrorCode::kUsage, "--audit: PART/PARTS is wanted, as 17/168; parts count from 0");
}

// SERVER [HOST] [FROM] TO: the host is missing where a command stands for it.
Status sort_objects(Options& options) {
  const std::size_t fixed = options.command.empty() ? 2 : 1;
  const std::size_t count = options.objects.size();
  if (count != fixed + 1 && count != fixed + 2)
    return fail(ErrorCode::kUsage,
                fmt::format("transmit: {} words where {} or {} are wanted; see 'ddsnap transmit "
                            "--help'",
                            count, fixed + 1, fixed + 2));
  options.server = DD_TRY(server_address(options.objects[0]));
  if (fixed == 2) options.host = options.objects[1];
  if (count == fixed + 2) options.send.from_tag = options.objects[fixed];
  options.send.to_tag = options.objects.back();
  if (options.window_bytes < (std::size_t{1} << kMinChunkShift) ||
      options.window_bytes > kMaxSessionWindowBytes)
    return fail(ErrorCode::kUsage,
                fmt::format("--window: from 4K to {}", human_bytes(kMaxSessionWindowBytes)));
  options.send.window_bytes = options.window_bytes;
  return check_session_rate(options.rate_limit_bytes);
}

Result<std::unique_ptr<Channel>> reach(Options& options, const Interruption& interruption) {
  if (!options.command.empty()) {
    auto link = DD_TRY(start_command_link(options.command));
    options.send.volume = options.volume;
    return std::make_unique<Channel>(
        std::move(link), options.command,
        ChannelOptions{.rate_limit = RateLimit(options.rate_limit_bytes),
                       .interruption = &interruption});
  }
  const TcpAddress address = DD_TRY(parse_tcp_address(options.host));
  options.send.volume = options.volume.empty() ? address.volume : options.volume;
  return options.link.connect(address, options.rate_limit_bytes, interruption);
}

nlohmann::ordered_json to_json(const SendTally& tally) {
  nlohmann::ordered_json all{{"from", tally.from_tag},
                             {"to", tally.to_tag},
                             {"was_there", tally.was_there},
                             {"was_resumed", tally.was_resumed},
                             {"windows_sent", tally.windows_sent},
                             {"chunks_sent", tally.chunks_sent},
                             {"chunks_written", tally.chunks_written},
                             {"chunks_zeroed", tally.chunks_zeroed},
                             {"sent_bytes", tally.sent_bytes},
                             {"received_bytes", tally.received_bytes}};
  if (!tally.audit) return all;
  nlohmann::ordered_json differences = nlohmann::ordered_json::array();
  for (const ByteRange& one : tally.audit->differences)
    differences.push_back({{"offset_bytes", one.offset_bytes}, {"length_bytes", one.length_bytes}});
  all["audit"] = {{"offset_bytes", tally.audit->slice.offset_bytes},
                  {"length_bytes", tally.audit->slice.length_bytes},
                  {"differences", differences}};
  return all;
}

void tell(const Options& options, const SendTally& tally) {
  const bool differs = tally.audit && !tally.audit->differences.empty();
  if (options.as_json) {
    fmt::print("{}\n", to_json(tally).dump(2));
  } else if (differs) {
    for (const ByteRange& one : tally.audit->differences)
      fmt::print("{} {}\n", one.offset_bytes, one.length_bytes);
  }
  const std::string& where = options.host.empty() ? options.command : options.host;
  if (differs) {
    fmt::print(stderr,
               "ddsnap: {}: its copy of '{}' differs in {} ranges; transmit --resync sends what "
               "differs\n",
               where, tally.to_tag, tally.audit->differences.size());
  } else if (::isatty(STDERR_FILENO) != 0) {
    fmt::print(stderr, "ddsnap: {}: {}'{}', {} sent\n", where,
               tally.was_there ? "it held " : "it holds ", tally.to_tag,
               human_bytes(tally.sent_bytes));
  }
}

Result<SendTally> transmit(Options& options) {
  WorkContext context {
    .interruption = DD_TRY(Interruption::by_signals())
  };
  ProgressReport report(options.send.to_tag, options.progress_path);
  context.progress = &report;
  const auto source = DD_TRY(open_server_source(options.server));
  const auto channel = DD_TRY(reach(options, context.interruption));
  return replicate_over(*channel, *source, options.send, context);
}

}  // namespace

Result<int> cmd_transmit(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "transmit",
       .usage = "[--key FILE] [-l RATE] [-p FILE] [--resync] [--audit PART/PARTS]\n"
                "                       SERVER HOST[:PORT][/VOLUME] [FROM] TO\n"
                "       ddsnap transmit --command CMD [--volume VOLUME] ... SERVER [FROM] TO",
       .summary = "Sends a snapshot to the machine where 'ddsnap listen' runs: what changed since\n"
                  "the newest one that it holds. Cut off, it is run again and sends the rest.\n"
                  "Exit status 3: the audit found a difference; its ranges are printed."});
  parser.size_option("-l,--rate-limit", options.rate_limit_bytes,
                     "Send at most so many bytes a second (at least 16K)");
  parser.text_option("-p,--progress", "FILE", options.progress_path,
                     "Keep 'TAG DONE/TOTAL ADDRESS' there, in chunks and bytes");
  parser.flag("--resync", options.send.is_resync,
              "Compare all of the volume by hash and send what differs, whatever it holds there: "
              "a first copy, an old one, one that somebody wrote");
  parser.text_option("--audit", "PART/PARTS", options.audit,
                     "Afterwards compare this part of the snapshot with its copy by hash: 0/168 is "
                     "the first of 168 parts, 0/1 all of it");
  parser.text_option("--command", "CMD", options.command,
                     "Reach the listener through this command's input and output, as 'ssh HOST "
                     "ddsnap listen --stdio NAME=DEV'");
  parser.text_option("--volume", "VOLUME", options.volume,
                     "How the listener calls it (default: its only one)");
  parser.size_option("--window", options.window_bytes,
                     "Content that the other side makes durable at once, 4K to 64M (default 8M); a "
                     "broken session repeats no more than a few of them");
  options.codec.declare(parser);
  options.link.declare(parser);
  parser.flag("--json", options.as_json, "Tell what was sent, as JSON");
  parser.objects("OBJECTS", options.objects,
                 "SERVER: a volume's name, or the socket of its server; VOLUME: how the listener "
                 "calls it; FROM: "
                 "what it must hold; TO: the snapshot to send");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(sort_objects(options));
  DD_TRY(parse_audit(options.audit, options.send));
  options.send.codec = DD_TRY(options.codec.choice());
  const SendTally tally = DD_TRY(transmit(options));
  tell(options, tally);
  return tally.audit && !tally.audit->differences.empty() ? kStatusOfDifference : 0;
}

}  // namespace ddsnap
