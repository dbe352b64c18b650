#include "ddsnap/replica/session_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ddsnap/replica/hash_compare.h"
#include "ddsnap/replica/hash_window.h"
#include "ddsnap/replica/message_stream.h"
#include "ddsnap/replica/window_apply.h"

namespace ddsnap {

namespace {

class Receiver {
 public:
  Receiver(MessageStream& stream, const ReceiverOptions& options, LogSink& log,
           WorkContext& context)
      : stream_(stream), options_(options), log_(log), context_(context) {}

  Status run() {
    DD_TRY(meet());
    for (;;) {
      const auto frame = DD_TRY(stream_.receive_or_end());
      if (!frame) return {};
      if (frame->type == SessionMsg::kStart) {
        DD_TRY(take_transfer(DD_TRY(stream_.take<StartSession>(*frame))));
      } else if (frame->type == SessionMsg::kAudit) {
        DD_TRY(answer(DD_TRY(stream_.take<AuditSession>(*frame))));
      } else {
        return stream_.out_of_place(frame->type);
      }
    }
  }

 private:
  // A stranger gets little time and little memory.
  Status meet() {
    Channel& channel = stream_.channel();
    channel.set_patience_ms(options_.hello_patience_ms);
    stream_.set_max_body_bytes(kMaxHelloBytes);
    const auto hello = DD_TRY(stream_.expect<HelloSession>());
    if (hello.version != kSessionVersion)
      return fail(ErrorCode::kVersion,
                  fmt::format("version {} of the session; this program speaks {}", hello.version,
                              kSessionVersion));
    channel.set_patience_ms(options_.patience_ms);
    stream_.set_max_body_bytes(kMaxSessionBodyBytes);
    target_ = DD_TRY(options_.open(hello.volume));
    return stream_.send(DD_TRY(target_->facts()));
  }

  Status take_transfer(const StartSession& start) {
    const SessionTarget::Begun begun = DD_TRY(target_->begin(start));
    WindowApply apply(*target_, begun.device, start, begun.cut, context_);
    DD_TRY(stream_.send(GoSession{.next = begun.cut.next}));
    reached_ = 0;
    const Status taken =
        start.is_resync ? take_resync(start, begun.device, apply) : take_windows(apply);
    if (!taken) {
      apply.remember();
      return taken;
    }
    if (begun.cut.next == 0 && !start.is_resync)
      DD_TRY(target_->check_nothing_else(start, apply.named()));
    DD_TRY(target_->finish(start, apply.samples()));
    log_.info("{}: snapshot {} '{}' received from {}: {} chunks written, {} zeroed",
              target_->name(), start.to.to_string(), start.to_tag, stream_.channel().peer(),
              apply.written().data, apply.written().zero);
    return stream_.send(DoneSession{.windows = apply.windows(),
                                    .written_chunks = apply.written().data,
                                    .zeroed_chunks = apply.written().zero});
  }

  Status take_windows(WindowApply& apply) {
    for (;;) {
      // The sender may be waiting for what is being written.
      if (!stream_.channel().has_input()) DD_TRY(apply.finish());
      DD_TRY(tell_reached(apply));
      SessionFrame frame = DD_TRY(stream_.receive());
      if (frame.type == SessionMsg::kDone) return check_done(frame, apply);
      DD_TRY(take_window(std::move(frame), apply));
    }
  }

  Status tell_reached(const WindowApply& apply) {
    if (apply.windows() == reached_) return {};
    reached_ = apply.windows();
    return stream_.send(ReachedSession{.windows = reached_});
  }

  Status take_window(SessionFrame frame, WindowApply& apply) {
    WindowSource source = DD_TRY(WindowSource::begin(stream_, std::move(frame)));
    return apply.apply(source);
  }

  Status check_done(const SessionFrame& frame, WindowApply& apply) {
    DD_TRY(apply.finish());
    if (DD_TRY(stream_.take<DoneSession>(frame)).windows == apply.windows()) return {};
    return fail(ErrorCode::kDamaged, "windows are missing");
  }

  // Hashes go out ahead of the windows that they are answered with.
  Status take_resync(const StartSession& start, BlockDevice& device, WindowApply& apply) {
    const ChunkGeometry geometry{start.chunk_shift, start.to_bytes};
    const unsigned ahead = hash_windows_ahead(start.window_chunks);
    HashWindow window(device, geometry, context_);
    std::uint64_t hashed = 0;  // chunks
    std::uint64_t taken = 0;   // chunks
    const auto chunks_from = [&](std::uint64_t first) {
      return ChunkRange{{static_cast<std::uint32_t>(first)},
                        static_cast<std::uint32_t>(std::min<std::uint64_t>(
                            start.window_chunks, geometry.chunk_count() - first))};
    };
    while (taken < geometry.chunk_count()) {
      while (hashed < geometry.chunk_count() &&
             hashed - taken < std::uint64_t{ahead} * start.window_chunks) {
        DD_TRY(window.read(chunks_from(hashed)));
        DD_TRY(stream_.send(HashesSession{.chunks = window.chunks(), .hashes = window.hashes()}));
        hashed += window.chunks().count;
      }
      const ChunkRange chunks = chunks_from(taken);
      SessionFrame frame = DD_TRY(stream_.receive());
      if (frame.type != SessionMsg::kSame) {
        DD_TRY(take_window(std::move(frame), apply));
      } else if (DD_TRY(stream_.take<SameSession>(frame)).chunks != chunks) {
        return fail(ErrorCode::kDamaged, "a window comes out of order");
      }
      taken += chunks.count;
    }
    return check_done(DD_TRY(stream_.receive()), apply);
  }

  Status answer(const AuditSession& question) {
    const auto device = DD_TRY(target_->open(question));
    return answer_by_hash(stream_, question, *device, context_);
  }

  MessageStream& stream_;
  const ReceiverOptions& options_;
  LogSink& log_;
  WorkContext& context_;
  std::unique_ptr<SessionTarget> target_;
  std::uint64_t reached_ = 0;  // windows that the sender was told of
};

}  // namespace

Status serve_session(Channel& channel, const ReceiverOptions& options, LogSink& log,
                     WorkContext& context) {
  MessageStream stream(channel);
  const Status served = Receiver(stream, options, log, context).run();
  if (!served && served.error().code != ErrorCode::kDisconnected) stream.send_error(served.error());
  channel.finish();
  return served;
}

}  // namespace ddsnap
