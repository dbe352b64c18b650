// Bytes as what a sender says, as they are and with headers and checksums made right, to a receiver
// with a small volume: whatever comes, it ends, says why, and writes nothing but what a whole
// window says.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "ddsnap/replica/session_receiver.h"
#include "ddsnap/wire/socket.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/session_world.h"

namespace ddsnap::fuzz {

namespace {

constexpr std::uint32_t kVolumeBytes = 64 << 10;
constexpr std::size_t kBodyBytesAt = 8;

// Every message as long as it says, its number and checksum right.
Bytes mended(std::span<const std::byte> data) {
  Bytes out;
  for (std::uint32_t number = 0; data.size() > kSessionHeaderBytes; ++number) {
    std::uint16_t length = 0;
    std::memcpy(&length, data.data() + kBodyBytesAt, sizeof length);
    const auto type = static_cast<SessionMsg>(data[4]);
    data = data.subspan(kSessionHeaderBytes);
    const auto body = data.first(std::min<std::size_t>(length, data.size()));
    const Bytes header = encode_session_header(type, number, body);
    out.insert(out.end(), header.begin(), header.end());
    out.insert(out.end(), body.begin(), body.end());
    data = data.subspan(body.size());
  }
  return out;
}

// A thread takes what the receiver answers, so that it never waits.
void talk(std::span<const std::byte> said) {
  test::MemoryTarget target{Bytes(kVolumeBytes)};
  auto pair = *make_socket_pair();  // the thread's end goes when the thread has
  std::jthread reader([fd = pair.first.get(), said] {
    for (auto rest = said; !rest.empty();) {
      const ssize_t put = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (put <= 0) break;
      rest = rest.subspan(static_cast<std::size_t>(put));
    }
    ::shutdown(fd, SHUT_WR);
    std::array<std::byte, 4096> answers{};
    while (::recv(fd, answers.data(), answers.size(), 0) > 0) continue;
  });
  {
    Channel channel(*make_socket_link(std::move(pair.second)), "stranger", {});
    WorkContext context{.workers = 0};
    NullLog log;
    const ReceiverOptions options{
        .open = [&](const std::string&) -> Result<std::unique_ptr<SessionTarget>> {
          return std::make_unique<test::MemorySessionTarget>(target);
        }};
    (void)serve_session(channel, options, log, context);
  }
}

// What a sender says.
class Script {
 public:
  template <class Message>
  Script& say(const Message& message) {
    const Bytes body = encode_session(message);
    const Bytes header = encode_session_header(Message::kType, number_++, body);
    bytes_.insert(bytes_.end(), header.begin(), header.end());
    bytes_.insert(bytes_.end(), body.begin(), body.end());
    return *this;
  }
  Bytes bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  std::uint32_t number_ = 0;
};

Bytes make_window(const test::Pair& pair, const StartSession& start) {
  Changelist list = pair.list();
  list.from_uuid = start.from;
  return pair.delta(list, {.mode = DeltaMode::kRaw}, 7, false);
}

Bytes make_script(bool is_resync) {
  const test::Pair pair = test::make_pair_of_volumes(1, kVolumeBytes, kVolumeBytes);
  StartSession start{.is_resync = is_resync,
                     .chunk_shift = pair.chunk_shift,
                     .window_chunks = kVolumeBytes >> pair.chunk_shift,
                     .to_bytes = kVolumeBytes,
                     .from = is_resync ? Uuid{} : pair.from_uuid,
                     .to = pair.to_uuid,
                     .from_tag = is_resync ? "" : "a",
                     .to_tag = "b"};
  const Bytes window = make_window(pair, start);
  return Script()
      .say(HelloSession{.volume = "vol"})
      .say(start)
      .say(FrameSession{.is_last = true, .bytes = window})
      .say(DoneSession{.windows = 1})
      .say(AuditSession{.uuid = pair.to_uuid,
                        .chunk_shift = pair.chunk_shift,
                        .window_chunks = 4,
                        .first = 2,
                        .count = 9})
      .bytes();
}

}  // namespace

void run_one(std::span<const std::byte> data) {
  talk(data);
  talk(mended(data));
}

std::vector<Seed> make_seeds() {
  return {{"changes", make_script(false)}, {"resync", make_script(true)}};
}

}  // namespace ddsnap::fuzz
