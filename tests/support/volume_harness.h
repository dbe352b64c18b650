// A volume over memory devices, and clients of it that are nothing but session numbers: what goes
// in is a message, what comes out is picked up per session. Time moves only when a test says so.
//
// Threads   None inside.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/frame_buffer.h"
#include "ddsnap/wire/messages.h"
#include "server/volume.h"
#include "tests/support/fault_device.h"
#include "tests/support/memory_device.h"

namespace ddsnap::test {

// Says of each attachment what the test wants.
class ScriptedProbe final : public OwnershipProbe {
 public:
  bool is_gone(const Attachment& attachment) override { return gone_.contains(attachment.label); }
  void set_gone(const std::string& label) { gone_.insert(label); }

 private:
  std::set<std::string> gone_;
};

class KeptLog final : public LogSink {
 public:
  void write(LogLevel, std::string_view line) override { lines_.emplace_back(line); }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

// The origin, counting its flushes, each of which fails on demand.
class FlushWatch final : public BlockDevice {
 public:
  explicit FlushWatch(BlockDevice& next) : next_(next) {}
  const DeviceGeometry& geometry() const override { return next_.geometry(); }
  const std::string& name() const override { return next_.name(); }
  Status run(std::span<IoRequest> batch) override { return next_.run(batch); }
  Status flush() override {
    ++flush_count;
    if (must_fail) return fail_errno("cannot flush", "origin", 5);
    return next_.flush();
  }

  int flush_count = 0;
  bool must_fail = false;

 private:
  BlockDevice& next_;
};

class VolumeHarness {
 public:
  static constexpr unsigned kShift = 12;
  static constexpr std::uint64_t kChunkBytes = 1u << kShift;

  VolumeHarness(std::uint64_t origin_chunks, std::uint64_t snapstore_bytes)
      : origin_memory(origin_chunks * kChunkBytes, "origin"),
        snapstore(snapstore_bytes, "snapstore"),
        origin(origin_memory) {
    const Status made = initialize_store({snapstore, origin}, {.chunk_shift = kShift}, random);
    EXPECT_TRUE(made) << made.error().message();
    restart();
  }

  // A new server over the same devices: nobody is connected.
  void restart(VolumeConfig new_config = default_config(), SnapStore::Options options = {}) {
    volume.reset();
    store.reset();
    inbox.clear();
    closed.clear();
    auto opened = SnapStore::open({faulty_snapstore, faulty_origin}, options, random);
    ASSERT_TRUE(opened) << opened.error().message();
    store = *std::move(opened);
    volume = std::make_unique<Volume>(*store, faulty_origin, new_config, random, probe, log);
  }

  static VolumeConfig default_config() {
    return {.pair = {{DeviceId::Kind::kFile, 1, 1}, {DeviceId::Kind::kFile, 1, 2}},
            .origin_path = "/dev/origin",
            .snapstore_path = "/dev/snapstore"};
  }

  SessionId connect() {
    const SessionId session{++last_session_};
    volume->on_connect(session);
    return session;
  }
  void disconnect(SessionId session) {
    volume->on_disconnect(session);
    collect();
  }

  template <class Message>
  std::uint64_t send(SessionId session, const Message& message) {
    const std::uint64_t request_id = ++last_request_;
    const auto frame = encode(message, request_id);
    volume->on_message(session, Message::kType, request_id,
                       std::span(frame).subspan(kFrameHeaderBytes), now);
    collect();
    return request_id;
  }

  // Turns until nothing is to be done without the world's help.
  void run() {
    for (int turn = 0; turn < 100'000; ++turn) {
      volume->on_time(now);
      collect();
      if (!volume->has_work(now)) return;
      volume->run_batch(now);
      collect();
    }
    FAIL() << "the volume never comes to rest";
  }
  void wait_ms(std::uint64_t ms) {
    now.steady_ns += ms * kNsPerMs;
    now.wall_ns += ms * kNsPerMs;
    run();
  }

  bool has_message(SessionId session) const {
    const auto found = inbox.find(session);
    return found != inbox.end() && !found->second.empty();
  }
  // The next message to the session, which must be of this type.
  template <class Message>
  Message take(SessionId session) {
    if (!has_message(session)) {
      ADD_FAILURE() << "no message, but one of type " << static_cast<int>(Message::kType)
                    << " was to come";
      return {};
    }
    const Frame frame = std::move(inbox[session].front());
    inbox[session].pop_front();
    if (frame.header.type == MsgType::kError && Message::kType != MsgType::kError)
      ADD_FAILURE() << decode<ErrorMessage>(frame.body)->error.message();
    EXPECT_EQ(frame.header.type, Message::kType);
    auto message = decode<Message>(frame.body);
    EXPECT_TRUE(message) << message.error().message();
    return message.value_or(Message{});
  }
  Error take_error(SessionId session) { return take<ErrorMessage>(session).error; }

  // ---- whole conversations ----

  HelloMessage hello_of(const std::string& label, const std::string& tag = "") {
    return {.role = tag.empty() ? TargetRole::kOrigin : TargetRole::kSnapshot,
            .target_uuid = Uuid::make(random),
            .boot_id = Uuid::make(random),
            .dm_device_or_pid = 1,
            .tag = tag,
            .label = label};
  }
  struct Target {
    SessionId session;
    HelloMessage hello;
    HelloOkMessage ok;
  };
  Target attach(const std::string& label, const std::string& tag = "") {
    Target target{connect(), hello_of(label, tag), {}};
    send(target.session, target.hello);
    run();
    target.ok = take<HelloOkMessage>(target.session);
    return target;
  }
  // Comes again after its connection was lost.
  HelloMessage returning(const Target& target) {
    HelloMessage hello = target.hello;
    hello.is_returning = true;
    hello.attachment_id = target.ok.attachment_id;
    hello.snapshot_uuid = target.ok.snapshot_uuid;
    hello.tag.clear();
    return hello;
  }
  Target come_back(const Target& target) {
    Target again{connect(), returning(target), {}};
    send(again.session, again.hello);
    run();
    again.ok = take<HelloOkMessage>(again.session);
    return again;
  }
  CreateSnapshotMessage create_message(const std::string& tag, std::int8_t priority = 0) {
    return {.uuid = Uuid::make(random), .tag = tag, .priority = priority};
  }
  // A snapshot when no origin target is attached.
  void create(const std::string& tag, std::int8_t priority = 0) {
    const SessionId client = connect();
    send(client, create_message(tag, priority));
    run();
    take<OkMessage>(client);
    disconnect(client);
  }
  // A snapshot with these origin targets, which answer the barrier at once.
  void create_with(const std::vector<SessionId>& targets, const std::string& tag) {
    const SessionId client = connect();
    send(client, create_message(tag));
    run();
    for (const SessionId target : targets)
      send(target, BarrierAckMessage{take<BarrierMessage>(target).number});
    run();
    for (const SessionId target : targets) take<ReleaseMessage>(target);
    take<OkMessage>(client);
    disconnect(client);
  }
  // Asks, and returns all parts of the answer.
  std::vector<GrantMessage> ask(SessionId session, std::vector<ChunkRange> ranges) {
    send(session, PrepareWriteMessage{std::move(ranges)});
    run();
    return take_grants(session);
  }
  std::vector<GrantMessage> take_grants(SessionId session) {
    std::vector<GrantMessage> parts;
    do parts.push_back(take<GrantMessage>(session));
    while (!parts.back().is_last && has_message(session));
    return parts;
  }
  void write_chunk(std::uint32_t chunk, unsigned char fill) {
    const std::vector<std::byte> bytes(kChunkBytes, std::byte{fill});
    EXPECT_TRUE(origin_memory.write_at(chunk * kChunkBytes, bytes));
  }
  // Asks for the chunk and writes it when it was granted. False: refused.
  bool overwrite(SessionId target, std::uint32_t chunk, unsigned char fill) {
    const auto grants = ask(target, {{{chunk}, 1}});
    if (grants.back().result_errno != 0) return false;
    write_chunk(chunk, fill);
    return true;
  }
  std::vector<LocatedEntry> locate(SessionId target, std::vector<ChunkRange> ranges) {
    send(target, LocateMessage{std::move(ranges)});
    run();
    return take_located(target);
  }
  std::vector<LocatedEntry> take_located(SessionId target) {
    std::vector<LocatedEntry> entries;
    for (bool is_last = false; !is_last && has_message(target);) {
      const auto part = take<LocatedMessage>(target);
      entries.insert(entries.end(), part.entries.begin(), part.entries.end());
      is_last = part.is_last;
    }
    return entries;
  }
  // The first byte of the chunk as a snapshot target would read it.
  int read_byte(const Target& target, std::uint32_t chunk) {
    const auto entries = locate(target.session, {{{chunk}, 1}});
    if (entries.size() != 1) return -1;
    std::byte bytes[512] = {};
    switch (entries[0].place) {
      case Place::kOrigin:
        EXPECT_TRUE(origin.read_at(chunk * kChunkBytes, bytes));
        break;
      case Place::kSlot:
      case Place::kPrivate:
        EXPECT_TRUE(snapstore.read_at(
            target.ok.slots_offset_bytes + entries[0].slot.value * kChunkBytes, bytes));
        break;
      case Place::kZero:
        break;
      case Place::kNowhere:
        return -entries[0].result_errno;
    }
    return static_cast<int>(bytes[0]);
  }

  SeededRandom random{20260101};
  MemoryDevice origin_memory;
  MemoryDevice snapstore;
  FlushWatch origin;
  FaultDevice faulty_snapstore{snapstore};  // as the server has it; faultless until a test says so
  FaultDevice faulty_origin{origin};
  ScriptedProbe probe;
  KeptLog log;
  std::unique_ptr<SnapStore> store;
  std::unique_ptr<Volume> volume;
  Now now{.steady_ns = 1'000'000'000, .wall_ns = 1'700'000'000'000'000'000};
  std::map<SessionId, std::deque<Frame>> inbox;
  std::set<SessionId> closed;

 private:
  void collect() {
    for (;;) {
      for (Outbox::Frame& frame : volume->outbox().take_frames()) {
        FrameBuffer buffer;
        buffer.feed(frame.bytes);
        auto whole = buffer.next();
        ASSERT_TRUE(whole && *whole);
        if (!closed.contains(frame.to)) inbox[frame.to].push_back(*std::move(*whole));
      }
      const auto closes = volume->outbox().take_closes();
      if (closes.empty()) return;
      for (const SessionId session : closes)
        if (closed.insert(session).second) volume->on_disconnect(session);
    }
  }

  std::uint64_t last_session_ = 0;
  std::uint64_t last_request_ = 0;
};

}  // namespace ddsnap::test
