#include "tests/support/sim_stranger.h"

#include "ddsnap/base/endian.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap::test {

namespace {

constexpr std::size_t kTypeAt = 6;  // in a frame's header
constexpr std::uint16_t kLastType = static_cast<std::uint16_t>(MsgType::kResized) + 4;

// What a body of chance could make it do is a thing that nobody has asked for.
bool is_order(MsgType type) {
  switch (type) {
    case MsgType::kCreateSnapshot:
    case MsgType::kPrepareSnapshot:
    case MsgType::kDeleteSnapshot:
    case MsgType::kSetPriority:
    case MsgType::kAddUseCount:
    case MsgType::kForceDetach:
      return true;
    default:
      return false;
  }
}

}  // namespace

void SimStranger::act() {
  if (!host_.network.has_server()) return;
  if (!is_connected_) return connect();
  const std::uint64_t roll = host_.random.below(100);
  if (roll < 8) return leave();
  if (roll < 25) return greet();
  if (roll < 35) return lie_about_itself();
  if (roll < 70) return speak_as_a_target();
  if (roll < 85) return speak_as_a_user();
  babble();
}

void SimStranger::connect() {
  session_ = host_.network.connect(*this);
  is_connected_ = true;
  is_mute_ = host_.one_in(4);
  has_lied_ = false;
}

void SimStranger::leave() {
  if (is_connected_) host_.network.close_from_peer(session_);
  is_connected_ = false;
}

void SimStranger::on_frame(const Frame& frame) {
  if (has_lied_ && frame.header.type == MsgType::kHelloOk)
    host_.found(fmt::format("{} has lied about itself, and was let in (T8)", name_));
}

void SimStranger::say(std::vector<std::byte> frame) {
  ++host_.tally.strangers_messages;
  host_.network.send_to_server(session_, std::move(frame));
}

// ---- words ----

HelloMessage SimStranger::greeting() {
  HelloMessage hello{.role = TargetRole::kOrigin,
                     .target_uuid = Uuid::make(host_.random),
                     .boot_id = host_.boot_id,
                     .dm_device_or_pid = 1,
                     .label = name_};
  const auto& all = host_.truth.boundaries();
  if (all.empty() || host_.one_in(2)) return hello;
  hello.role = TargetRole::kSnapshot;
  hello.tag = all[host_.random.below(all.size())].tag;
  return hello;
}

// Attaches, once; again is against the rules.
void SimStranger::greet() {
  if (!has_lied_) send(greeting());
}

void SimStranger::lie_about_itself() {
  if (last_id_ != 0) leave();
  if (!is_connected_) connect();
  last_id_ = 0;
  has_lied_ = true;
  HelloMessage hello = greeting();
  if (host_.one_in(2)) {  // of another volume, and half of them in the kernel
    hello.pair = {.snapstore = {DeviceId::Kind::kBlock, 1 + host_.random.below(8), 0},
                  .origin = {DeviceId::Kind::kBlock, 9 + host_.random.below(8), 0}};
    hello.is_kernel = host_.one_in(2);
  } else {  // somebody else, come back
    hello.is_returning = true;
    hello.attachment_id = static_cast<std::uint32_t>(1 + host_.random.below(64));
    if (const auto* snapshot = host_.truth.find(hello.tag)) hello.snapshot_uuid = snapshot->uuid;
    hello.tag.clear();
  }
  send(hello);
}

std::vector<ChunkRange> SimStranger::any_ranges() {
  std::vector<ChunkRange> ranges;
  const std::uint32_t limit = host_.one_in(4) ? UINT32_MAX : host_.truth.chunk_count();
  std::uint32_t first = static_cast<std::uint32_t>(host_.random.below(limit));
  const std::uint32_t count = static_cast<std::uint32_t>(1 + host_.random.below(4));
  ranges.push_back({{first}, count});
  if (host_.one_in(4)) ranges.push_back({{first}, 1});  // twice
  return ranges;
}

std::uint64_t SimStranger::any_number() {
  return host_.one_in(2) ? host_.random.below(64) : host_.random.next_u64();
}

void SimStranger::speak_as_a_target() {
  switch (host_.random.below(7)) {
    case 0:
      return send(PrepareWriteMessage{any_ranges()});
    case 1:
      return send(LocateMessage{any_ranges()});
    case 2:
      return send(PrepareSnapshotWriteMessage{any_ranges()});
    case 3:
      return send(BarrierAckMessage{any_number()});
    case 4:
      return send(InvalidateAckMessage{any_number()});
    case 5:
      return send(DroppedAckMessage{});
    default:
      return send(DetachMessage{});
  }
}

void SimStranger::speak_as_a_user() {
  switch (host_.random.below(6)) {
    case 0:
      return send(CommitSnapshotMessage{Uuid::make(host_.random)});
    case 1:
      return send(AbortSnapshotMessage{Uuid::make(host_.random)});
    case 2:
      return send(ForceDetachMessage{.label = "nobody"});
    case 3:
      return send(ResizeMessage{any_number(), 0, false});  // to another size than the device's
    case 4:
      return send(ListSnapshotsMessage{Epoch{any_number()}});
    default:
      return send(DeleteSnapshotMessage{.tag = "nobody's"});
  }
}

// Any type, and bytes of chance behind it.
void SimStranger::babble() {
  const auto type = static_cast<std::uint16_t>(host_.random.below(kLastType));
  if (is_order(static_cast<MsgType>(type)) || type == static_cast<std::uint16_t>(MsgType::kHello))
    return;
  PrepareWriteMessage long_one;
  long_one.ranges.resize(1 + host_.random.below(63), {{0}, 1});
  std::vector<std::byte> frame = encode(long_one, ++last_id_);
  frame[kTypeAt] = static_cast<std::byte>(type & 0xff);
  frame[kTypeAt + 1] = static_cast<std::byte>(type >> 8);
  for (std::size_t at = kFrameHeaderBytes; at < frame.size(); ++at)
    frame[at] = static_cast<std::byte>(host_.random.below(host_.one_in(2) ? 4 : 256));
  say(std::move(frame));
}

}  // namespace ddsnap::test
