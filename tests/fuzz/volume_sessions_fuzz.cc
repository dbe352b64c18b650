// Whole conversations with a server: up to eight clients that attach, ask, answer, lie, say
// nonsense and hang up in any order, while time passes and the server is killed and comes back.
// Whatever they do, what the server sends are whole messages, a grant goes to none but an attached
// origin target (T1), and the store opens again.
//
// The input is a script: a byte that says who and what, then its values (act() below).
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/input_reader.h"
#include "tests/support/volume_harness.h"

namespace ddsnap::fuzz {

namespace {

using test::VolumeHarness;

constexpr std::uint64_t kChunks = 64;
constexpr std::uint64_t kStoreBytes = 768 << 10;  // soon full
constexpr int kMaxClients = 8;
constexpr int kMaxActs = 300;

struct Client {
  SessionId session;
  bool is_there = false;
  bool is_attached = false;
};

class Conversation {
 public:
  explicit Conversation(std::span<const std::byte> script)
      : script_(script), server_(kChunks, kStoreBytes) {}

  void run() {
    for (int acts = 0; acts < kMaxActs && !script_.is_at_end(); ++acts) {
      act();
      judge();
    }
    server_.wait_ms(120'000);  // all deadlines
    judge();
    restart();
  }

 private:
  enum Act : std::uint8_t {
    kConnect,
    kDisconnect,
    kBody,
    kHelloOrigin,
    kHelloSnapshot,
    kReturn,
    kPrepareWrite,
    kLocate,
    kPrepareSnapshotWrite,
    kAnswer,
    kCreate,
    kDelete,
    kCommand,
    kWait,
    kTurn,
    kRestart,
    kActs
  };

  void act() {
    const std::uint8_t word = script_.u8();
    client_ = &clients_[word % kMaxClients];
    switch (static_cast<Act>((word / kMaxClients) % kActs)) {
      case kConnect:
        return connect();
      case kDisconnect:
        if (client_->is_there) server_.disconnect(client_->session);
        *client_ = {};
        return;
      case kBody:
        return send_body();
      case kHelloOrigin:
        return send(server_.hello_of(label()));
      case kHelloSnapshot:
        return send(server_.hello_of(label(), tag()));
      case kReturn:
        return send_return();
      case kPrepareWrite:
        return send(PrepareWriteMessage{ranges()});
      case kLocate:
        return send(LocateMessage{ranges()});
      case kPrepareSnapshotWrite:
        return send(PrepareSnapshotWriteMessage{ranges()});
      case kAnswer:
        return send_answer();
      case kCreate:
        return send_create();
      case kDelete:
        return send(DeleteSnapshotMessage{tag(), (script_.u8() & 1) != 0});
      case kCommand:
        return send_command();
      case kWait:
        return server_.wait_ms(std::uint64_t{script_.u8()} * 64);
      case kTurn:
        return server_.run();
      case kRestart:
        return restart();
      case kActs:
        break;
    }
  }

  void connect() {
    if (client_->is_there && !server_.closed.contains(client_->session)) return;
    *client_ = {.session = server_.connect(), .is_there = true};
  }

  bool may_send() {
    connect();
    return !server_.volume->is_congested(client_->session);
  }

  template <class Message>
  void send(const Message& message) {
    if (may_send()) server_.send(client_->session, message);
  }

  // Any type with any body, as the frame's header allows.
  void send_body() {
    const auto type = static_cast<MsgType>(script_.u8());
    const auto body = script_.take(script_.u16() % 600);
    if (may_send()) server_.volume->on_message(client_->session, type, 9, body, server_.now);
    server_.send(client_->session, GetStatusMessage{});  // the harness collects what is to be sent
  }

  void send_return() {
    HelloMessage hello = server_.hello_of(label());
    hello.is_returning = true;
    hello.attachment_id = script_.u8() % 8;
    const auto& known = server_.store->attachments();
    for (const Attachment& attachment : known) {
      if (attachment.id != hello.attachment_id || (script_.u8() & 3) == 0) continue;
      hello.role = attachment.is_origin ? TargetRole::kOrigin : TargetRole::kSnapshot;
      hello.target_uuid = attachment.target_uuid;
      hello.boot_id = attachment.boot_id;
      hello.snapshot_uuid = attachment.snapshot_uuid;
      hello.label = attachment.label;
    }
    send(hello);
  }

  void send_answer() {
    const std::uint8_t what = script_.u8();
    const std::uint64_t number = what >= 128 ? script_.u8() : last_number_;
    if (what % 4 == 0) return send(BarrierAckMessage{number});
    if (what % 4 == 1) return send(DroppedAckMessage{});
    if (what % 4 == 2) return send(InvalidateAckMessage{number});
    send(DetachMessage{});
  }

  void send_create() {
    CreateSnapshotMessage message = server_.create_message(tag());
    const std::uint8_t how = script_.u8();
    message.is_bookmark = (how & 1) != 0;
    if ((how & 2) != 0) message.uuid = Uuid{};
    message.priority = static_cast<std::int8_t>(how);
    if ((how & 4) == 0) return send(message);
    held_ = message.uuid;
    send(PrepareSnapshotMessage{how * 100u + 1, message});
  }

  void send_command() {
    switch (script_.u8() % 9) {
      case 0:
        return send(ListSnapshotsMessage{{script_.u8()}});
      case 1:
        return send(GetStatusMessage{});
      case 2:
        return send(SetPriorityMessage{tag(), static_cast<std::int8_t>(script_.u8())});
      case 3:
        return send(AddUseCountMessage{tag(), static_cast<std::int32_t>(script_.u32())});
      case 4:
        return send(GetChangelistMessage{tag(), (script_.u8() & 1) ? "now" : tag(), script_.u8()});
      case 5:
        return send(CommitSnapshotMessage{held_});
      case 6:
        return send(AbortSnapshotMessage{held_});
      case 7:
        return send(ResizeMessage{kAsItsDevice, kAsItsDevice, (script_.u8() & 1) != 0});
      default:
        return send(ForceDetachMessage{label()});
    }
  }

  void restart() {
    for (Client& client : clients_) client = {};
    server_.restart();
    must(server_.volume != nullptr, "a store that was served opens again");
  }

  std::string tag() { return "t" + std::to_string(script_.u8() % 6); }
  std::string label() {
    const std::string label = "l" + std::to_string(script_.u8() % 5);
    if (script_.u8() == 7) server_.probe.set_gone(label);
    return label;
  }
  std::vector<ChunkRange> ranges() {
    std::vector<ChunkRange> ranges;
    for (int count = script_.u8() % 4 + 1; count > 0; --count) {
      const std::uint32_t first = script_.u8() % (kChunks + 8);
      ranges.push_back({{first}, script_.u8() % 40u + 1});
    }
    return ranges;
  }

  // What the server sent to each client.
  void judge() {
    for (Client& client : clients_) {
      if (!client.is_there) continue;
      while (server_.has_message(client.session)) {
        auto& messages = server_.inbox[client.session];
        const Frame frame = std::move(messages.front());
        messages.pop_front();
        note(client, frame);
      }
      if (server_.closed.contains(client.session)) client = {};
    }
  }

  void note(Client& client, const Frame& frame) {
    if (frame.header.type == MsgType::kHelloOk) client.is_attached = true;
    if (frame.header.type == MsgType::kBarrier)
      last_number_ = decode<BarrierMessage>(frame.body).value().number;
    if (frame.header.type == MsgType::kInvalidate)
      last_number_ = decode<InvalidateMessage>(frame.body).value().number;
    if (frame.header.type != MsgType::kGrant) return;
    const auto grant = decode<GrantMessage>(frame.body);
    must(grant.has_value(), "a grant is a well-formed message");
    must(client.is_attached || grant->result_errno != 0,
         "a grant goes to nobody but an attached target (T1)");
  }

  InputReader script_;
  VolumeHarness server_;
  Client clients_[kMaxClients];
  Client* client_ = nullptr;
  std::uint64_t last_number_ = 0;
  Uuid held_;  // by the last PREPARE_SNAPSHOT
};

struct Line {
  int client;
  int act;
  std::vector<int> values;
};

void add(Bytes& script, const std::vector<Line>& lines) {
  for (const Line& line : lines) {
    script.push_back(static_cast<std::byte>(line.act * kMaxClients + line.client));
    for (const int value : line.values) script.push_back(static_cast<std::byte>(value));
  }
}

}  // namespace

void run_one(std::span<const std::byte> input) {
  Conversation(input).run();
}

// The numbers of the acts are those of Conversation::Act.
std::vector<Seed> make_seeds() {
  constexpr int kHangUp = 1, kHelloOrigin = 3, kHelloSnapshot = 4, kReturn = 5, kPrepareWrite = 6,
                kLocate = 7, kSnapshotWrite = 8, kAnswer = 9, kCreate = 10, kDelete = 11,
                kCommand = 12, kWait = 13, kTurn = 14, kRestart = 15;
  constexpr int kOrigin = 0, kSnapshot = 1, kUser = 2;
  Bytes attach;
  add(attach, {{kOrigin, kHelloOrigin, {0, 0}},
               {0, kTurn, {}},
               {kOrigin, kPrepareWrite, {0, 3, 9}},
               {0, kTurn, {}}});
  Bytes snapshot = attach;
  add(snapshot, {{kUser, kCreate, {1, 0}},
                 {0, kTurn, {}},
                 {kOrigin, kAnswer, {0}},
                 {0, kTurn, {}},
                 {kOrigin, kPrepareWrite, {0, 0, 39}},
                 {0, kTurn, {}},
                 {kSnapshot, kHelloSnapshot, {1, 1, 0}},
                 {0, kTurn, {}},
                 {kSnapshot, kLocate, {0, 0, 20}},
                 {0, kTurn, {}},
                 {kSnapshot, kSnapshotWrite, {0, 2, 3}},
                 {0, kTurn, {}}});
  Bytes ending = snapshot;
  add(ending, {{kUser, kCommand, {4, 1, 1, 0}},
               {kUser, kCommand, {2, 1, 127}},
               {kSnapshot, kHangUp, {}},
               {0, kWait, {80}},
               {kUser, kDelete, {1, 1}},
               {0, kTurn, {}},
               {0, kRestart, {}},
               {kOrigin, kReturn, {0, 0, 1, 1}},
               {0, kTurn, {}},
               {kOrigin, kPrepareWrite, {1, 0, 39, 38, 39}},
               {0, kWait, {255}}});
  return {{"attach", attach}, {"snapshot", snapshot}, {"ending", ending}};
}

}  // namespace ddsnap::fuzz
