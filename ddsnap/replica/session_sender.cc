#include "ddsnap/replica/session_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ddsnap/delta/chunk_io.h"
#include "ddsnap/replica/hash_compare.h"
#include "ddsnap/replica/hash_window.h"
#include "ddsnap/replica/message_stream.h"
#include "ddsnap/replica/resync_sender.h"
#include "ddsnap/replica/window_send.h"

namespace ddsnap {

namespace {

constexpr const char* kResyncAdvice = "--resync compares all of it and sends what differs";

// What is to be sent.
struct Transfer {
  SourceSnapshot from;  // a nil uuid: a resync
  SourceSnapshot to;
};

// What the other side has. Who wants TLS hangs up on whoever comes without it, and the other way
// round.
Result<VolumeSession> greet(MessageStream& stream, const std::string& volume) {
  const std::string& peer = stream.channel().peer();
  const Status said = stream.send(HelloSession{.volume = volume});
  const auto there = said ? stream.expect<VolumeSession>() : std::unexpected(said.error());
  if (!there && there.error().code == ErrorCode::kDisconnected)
    return fail(ErrorCode::kDisconnected,
                peer +
                    ": it hung up at the first word; do both sides have the same --key, or "
                    "certificates, or neither?");
  if (there && there->version != kSessionVersion)
    return fail(ErrorCode::kVersion,
                fmt::format("{}: it speaks version {} of the session", peer, there->version));
  return there;
}

class Sender {
 public:
  Sender(MessageStream& stream, SessionSource& source, const SendOptions& options,
         WorkContext& context)
      : stream_(stream), source_(source), options_(options), context_(context) {}

  Result<SendTally> run() {
    snapshots_ = DD_TRY(source_.snapshots());
    const SourceSnapshot to = DD_TRY(find_tag(options_.to_tag));
    if (!to.has_data)
      return fail(ErrorCode::kFailed, fmt::format("{}: '{}' is a bookmark: its data was given up",
                                                  source_.name(), to.tag));
    there_ = DD_TRY(greet(stream_, options_.volume));
    tally_.to_tag = to.tag;
    DD_TRY(finish_cut(to));
    tally_.was_there = is_there(to) && !options_.is_resync;
    if (!tally_.was_there) DD_TRY(transfer(DD_TRY(plan(to))));
    if (options_.audit_parts > 0) DD_TRY(audit(to));
    tally_.sent_bytes = stream_.channel().sent_bytes();
    tally_.received_bytes = stream_.channel().received_bytes();
    return tally_;
  }

 private:
  const std::string& peer() { return stream_.channel().peer(); }

  Result<SourceSnapshot> find_tag(const std::string& tag) const {
    for (const SourceSnapshot& one : snapshots_)
      if (one.tag == tag) return one;
    return fail(ErrorCode::kNotFound, fmt::format("{}: no snapshot '{}'", source_.name(), tag));
  }
  const SourceSnapshot* find_uuid(const Uuid& uuid) const {
    const auto found = std::ranges::find(snapshots_, uuid, &SourceSnapshot::uuid);
    return found == snapshots_.end() ? nullptr : &*found;
  }

  bool is_there(const SourceSnapshot& to) const {
    // What was written to it since, an audit names.
    return !there_.cut && !there_.held.empty() && there_.held.front() == to.uuid &&
           (!there_.is_touched || options_.audit_parts > 0);
  }

  // A transfer to another snapshot that was cut off is finished first, where it can be.
  Status finish_cut(const SourceSnapshot& to) {
    if (!there_.cut || there_.cut->to == to.uuid || options_.is_resync) return {};
    const SourceSnapshot* const cut_to = find_uuid(there_.cut->to);
    const SourceSnapshot* const cut_from = find_uuid(there_.cut->from);
    if (cut_to == nullptr || !cut_to->has_data || cut_from == nullptr)
      return fail(ErrorCode::kFailed,
                  fmt::format("{}: a transfer to {} was cut off there, and cannot be finished from "
                              "{}; {}",
                              peer(), there_.cut->to.to_string(), source_.name(), kResyncAdvice));
    DD_TRY(transfer({*cut_from, *cut_to}));
    there_.cut.reset();
    there_.held.insert(there_.held.begin(), cut_to->uuid);
    return {};
  }

  Result<Transfer> plan(const SourceSnapshot& to) {
    if (options_.is_resync) return Transfer{{}, to};
    const Uuid held = there_.cut            ? there_.cut->from
                      : there_.held.empty() ? Uuid{}
                                            : there_.held.front();
    if (there_.is_touched)
      return fail(
          ErrorCode::kFailed,
          fmt::format("{}: it was written since its newest snapshot; {}", peer(), kResyncAdvice));
    const SourceSnapshot* const from = held.is_nil() ? nullptr : find_uuid(held);
    if (from == nullptr) return no_base();
    if (!options_.from_tag.empty() && from->tag != options_.from_tag)
      return fail(ErrorCode::kFailed, fmt::format("{}: it holds '{}' and not '{}'", peer(),
                                                  from->tag, options_.from_tag));
    return Transfer{*from, to};
  }

  std::unexpected<Error> no_base() {
    const bool is_older_common = std::ranges::any_of(
        there_.held, [this](const Uuid& uuid) { return find_uuid(uuid) != nullptr; });
    return fail(ErrorCode::kFailed, fmt::format("{}: {} of {}; {}", peer(),
                                                is_older_common ? "its newest snapshot is none"
                                                                : "it holds no snapshot",
                                                source_.name(), kResyncAdvice));
  }

  Status transfer(const Transfer& what) {
    const auto device = DD_TRY(source_.open(what.to.tag));
    if (context_.progress != nullptr) context_.progress->on_name(what.to.tag);
    tally_.from_tag = what.from.tag;
    const unsigned shift = source_.chunk_shift();
    StartSession start{.is_resync = what.from.uuid.is_nil(),
                       .chunk_shift = shift,
                       .window_chunks = window_chunks(shift),
                       .to_bytes = device->size_bytes(),
                       .from = what.from.uuid,
                       .to = what.to.uuid,
                       .from_tag = what.from.tag,
                       .to_tag = what.to.tag};
    DD_TRY(start.is_resync ? send_resync(start, *device) : send_changes(start, *device));
    const auto done = DD_TRY(stream_.expect<DoneSession>());
    tally_.chunks_written += done.written_chunks;
    tally_.chunks_zeroed += done.zeroed_chunks;
    return {};
  }

  std::uint32_t window_chunks(unsigned shift) const {
    return static_cast<std::uint32_t>(
        std::clamp<std::size_t>(std::min(options_.window_bytes, kMaxSessionWindowBytes) >> shift, 1,
                                kMaxSessionWindowChunks));
  }

  Status send_changes(const StartSession& start, BlockDevice& device) {
    const Changelist list = DD_TRY(source_.changelist(start.from_tag, start.to_tag));
    if (list.from_uuid != start.from || list.to_uuid != start.to)
      return fail(ErrorCode::kBusy,
                  source_.name() + ": the snapshots changed while the session began; again");
    DD_TRY(stream_.send(start));
    const std::uint64_t next = DD_TRY(stream_.expect<GoSession>())
    .next;
    tally_.was_resumed |= next > 0;
    ListWindows windows(list, next, start.window_chunks);
    WorkProgress progress{.chunks_total = list.chunk_count(),
                          .chunk_bytes = list.to_geometry().chunk_bytes()};
    std::uint64_t sent = 0;
    std::uint64_t reached = 0;
    while (auto window = windows.next()) {
      DD_TRY(send_window(stream_, *window, device, options_.codec, random_, context_));
      count(*window);
      ++sent;
      while (sent - reached >= kSessionWindowsAhead || stream_.channel().has_input())
        reached = DD_TRY(next_reached(reached, sent));
      progress.chunks_done += window->chunk_count();
      progress.address_bytes = window->ranges.back().end() << window->chunk_shift;
      context_.report(progress);
    }
    while (reached < sent) reached = DD_TRY(next_reached(reached, sent));
    return stream_.send(DoneSession{.windows = sent});
  }

  Result<std::uint64_t> next_reached(std::uint64_t reached, std::uint64_t sent) {
    const std::uint64_t now = DD_TRY(stream_.expect<ReachedSession>())
    .windows;
    if (now > reached && now <= sent) return now;
    return fail(ErrorCode::kDamaged, peer() + ": it reached what was not sent");
  }

  Status send_resync(const StartSession& start, BlockDevice& device) {
    ResyncSender sender(stream_, start, device, options_.codec, random_, context_);
    DD_TRY(sender.run([this](const Changelist& window) { count(window); }));
    return stream_.send(DoneSession{.windows = sender.windows()});
  }

  void count(const Changelist& window) {
    ++tally_.windows_sent;
    tally_.chunks_sent += window.chunk_count();
  }

  Status audit(const SourceSnapshot& to) {
    const auto device = DD_TRY(source_.open(to.tag));
    const ChunkGeometry geometry{source_.chunk_shift(), device->size_bytes()};
    const ChunkSlice slice = slice_of(
        geometry.chunk_count(), options_.audit_part % options_.audit_parts, options_.audit_parts);
    const AuditSession question{.uuid = to.uuid,
                                .chunk_shift = geometry.chunk_shift,
                                .window_chunks = window_chunks(geometry.chunk_shift),
                                .first = slice.first,
                                .count = slice.count};
    const auto found = DD_TRY(compare_by_hash(stream_, question, *device, geometry, context_));
    tally_.audit.emplace();
    tally_.audit->slice = {slice.first << geometry.chunk_shift,
                           slice.count << geometry.chunk_shift};
    tally_.audit->differences =
        bytes_of_ranges(found.ranges, geometry.chunk_shift, geometry.volume_bytes);
    return {};
  }

  MessageStream& stream_;
  SessionSource& source_;
  const SendOptions& options_;
  WorkContext& context_;
  SystemRandom random_;
  std::vector<SourceSnapshot> snapshots_;
  VolumeSession there_;
  SendTally tally_;
};

// The other side learns why, where it can.
template <class Outcome>
Outcome end_session(MessageStream& stream, Outcome outcome) {
  if (!outcome && outcome.error().code != ErrorCode::kDisconnected)
    stream.send_error(outcome.error());
  stream.channel().finish();
  return outcome;
}

}  // namespace

Result<SendTally> replicate_over(Channel& channel, SessionSource& source,
                                 const SendOptions& options, WorkContext& context) {
  MessageStream stream(channel);
  return end_session(stream, Sender(stream, source, options, context).run());
}

Result<std::vector<ByteRange>> compare_over(Channel& channel, BlockDevice& device,
                                            unsigned chunk_shift, const std::string& volume,
                                            const std::string& tag, WorkContext& context) {
  const ChunkGeometry geometry{chunk_shift, device.size_bytes()};
  DD_TRY(check_holds_volume(device, geometry));
  MessageStream stream(channel);
  const auto compare = [&]() -> Result<std::vector<ByteRange>> {
    const VolumeSession there = DD_TRY(greet(stream, volume));
    const ChunkGeometry larger{chunk_shift, std::max(there.volume_bytes, geometry.volume_bytes)};
    const AuditSession question{.tag = tag,
                                .chunk_shift = chunk_shift,
                                .window_chunks = static_cast<std::uint32_t>(std::min<std::size_t>(
                                    kSessionWindowBytes >> chunk_shift, kMaxSessionWindowChunks)),
                                .first = 0,
                                .count = larger.chunk_count()};
    const auto found = DD_TRY(compare_by_hash(stream, question, device, geometry, context));
    return bytes_of_ranges(found.ranges, chunk_shift,
                           std::max(found.there_bytes, geometry.volume_bytes));
  };
  return end_session(stream, compare());
}

}  // namespace ddsnap
