// Bytes as a stream of frames, in pieces, and as the body of every message there is: decoded, what
// is accepted is encoded again to the very same bytes (so no two bodies mean one thing, and nothing
// that is read is ignored).
#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/frame_buffer.h"
#include "ddsnap/wire/messages.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/input_reader.h"

namespace ddsnap::fuzz {

namespace {

template <class Message>
bool decode_as(MsgType type, std::span<const std::byte> body) {
  if (type != Message::kType) return false;
  const Result<Message> message = decode<Message>(body);
  if (!message) {
    must(!message.error().text.empty(), "an error has a sentence");
    return true;
  }
  const auto again = encode(*message, 7);
  must(std::ranges::equal(std::span(again).subspan(kFrameHeaderBytes), body),
       "what was decoded is encoded to the same bytes");
  return true;
}

template <class... Messages>
bool decode_any(MsgType type, std::span<const std::byte> body) {
  return (decode_as<Messages>(type, body) || ...);
}

void decode_body(MsgType type, std::span<const std::byte> body) {
  decode_any<OkMessage, ErrorMessage, ServeMessage, FindServerMessage, ServerAtMessage,
             HelloMessage, HelloOkMessage, PrepareWriteMessage, GrantMessage, LocateMessage,
             PrepareSnapshotWriteMessage, LocatedMessage, BarrierMessage, BarrierAckMessage,
             ReleaseMessage, DroppedMessage, DroppedAckMessage, InvalidateMessage,
             InvalidateAckMessage, DetachMessage, CreateSnapshotMessage, DeleteSnapshotMessage,
             ListSnapshotsMessage, SnapshotListMessage, GetStatusMessage, ServerStatusMessage,
             SetPriorityMessage, AddUseCountMessage, UseCountMessage, GetChangelistMessage,
             ChangelistPartMessage, ListTargetsMessage, TargetListMessage, ForceDetachMessage,
             PrepareSnapshotMessage, CommitSnapshotMessage, AbortSnapshotMessage, ResizeMessage,
             ResizedMessage, GetSpaceMessage, SpaceListMessage, GetEventsMessage, EventListMessage>(
      type, body);
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  FrameBuffer buffer;
  InputReader reader(input);
  const std::size_t piece_bytes = 1 + reader.u8();
  for (const auto whole = input; !reader.is_at_end();) {
    buffer.feed(reader.take(piece_bytes));
    must(buffer.buffered_bytes() <= whole.size(), "no more is kept than came");
    for (;;) {
      const auto frame = buffer.next();
      if (!frame) return must(!buffer.next(), "a broken stream stays broken");
      if (!*frame) break;
      must((*frame)->body.size() == (*frame)->header.body_bytes, "a frame is whole");
      decode_body((*frame)->header.type, (*frame)->body);
    }
  }
}

std::vector<Seed> make_seeds() {
  auto seeds = golden_seeds("protocol_v1.txt");
  for (Seed& seed : seeds) seed.bytes.insert(seed.bytes.begin(), std::byte{40});
  return seeds;
}

}  // namespace ddsnap::fuzz
