// Shows that TLS lets nobody in who has not the key or a certificate of the authority, on either
// side; that addresses are understood; that a listener serves, refuses, turns garbage away, and
// ends when it is told. All of it over the loopback interface.
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <future>

#include "ddsnap/replica/listener.h"
#include "ddsnap/replica/message_stream.h"
#include "ddsnap/wire/socket.h"
#include "tests/support/pretend_signal.h"
#include "tests/support/session_world.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kPatience_ms = 20'000;

class ReplicaLink : public testing::Test {
 protected:
  void SetUp() override { std::signal(SIGPIPE, SIG_IGN); }

  std::string write_key(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const std::string path = folder_.file(name);
    std::ofstream(path) << text;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }

  struct Outcome {
    Result<std::unique_ptr<ByteLink>> here;
    Result<std::unique_ptr<ByteLink>> there;
  };
  static Outcome shake_hands(const TlsContext& connects, const TlsContext& listens) {
    auto pair = make_socket_pair();
    EXPECT_TRUE(pair);
    const Interruption never;
    auto there = std::async(std::launch::async, [&, fd = std::move(pair->second)]() mutable {
      return listens.handshake(std::move(fd), "", Deadline::after_ms(kPatience_ms), never);
    });
    auto here =
        connects.handshake(std::move(pair->first), "", Deadline::after_ms(kPatience_ms), never);
    // In TLS 1.3 the connecting side is done first: what the other one thinks it learns by reading.
    if (here) {
      std::byte byte{};
      for (;;) {
        const auto step = (*here)->read_some(std::span(&byte, 1));
        if (!step) {
          here = std::unexpected(step.error());
          break;
        }
        if (there.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready) break;
      }
    }
    Outcome outcome{std::move(here), there.get()};
    return outcome;
  }
  TlsContext context(const TlsFiles& files, TlsContext::Role role) {
    auto made = TlsContext::make(files, role);
    EXPECT_TRUE(made) << made.error().text;
    return *std::move(made);
  }

  TempDir folder_;
  const std::string key_ = std::string(64, 'a');
};

TEST_F(ReplicaLink, TheSameKeyOpens) {
  const TlsFiles here{.key = write_key("here", key_ + "\n")};
  const TlsFiles there{.key = write_key("there", key_)};
  auto outcome = shake_hands(context(here, TlsContext::Role::kConnects),
                             context(there, TlsContext::Role::kListens));
  ASSERT_OK(outcome.here);
  ASSERT_OK(outcome.there);
  // A message each way, larger than a record.
  Channel a(*std::move(outcome.here), "b", {});
  Channel b(*std::move(outcome.there), "a", {});
  SeededRandom random(1);
  const Bytes sent = random_bytes(random, 3 << 20);
  auto echo = std::async(std::launch::async, [&] {
    Bytes got(sent.size());
    EXPECT_TRUE(b.read(got));
    EXPECT_TRUE(b.write(got));
  });
  ASSERT_OK(a.write(sent));
  Bytes back(sent.size());
  ASSERT_OK(a.read(back));
  echo.get();
  EXPECT_TRUE(back == sent);
}

TEST_F(ReplicaLink, AnotherKeyOpensNothing) {
  const TlsFiles here{.key = write_key("here", std::string(64, 'b'))};
  const TlsFiles there{.key = write_key("there", key_)};
  const auto outcome = shake_hands(context(here, TlsContext::Role::kConnects),
                                   context(there, TlsContext::Role::kListens));
  EXPECT_FALSE(outcome.here);
  ASSERT_FALSE(outcome.there);
  EXPECT_NE(outcome.there.error().text.find("the same key"), std::string::npos);
}

TEST_F(ReplicaLink, WhoSpeaksNoTlsIsRefused) {
  auto pair = make_socket_pair();
  ASSERT_TRUE(pair);
  const auto listens = context({.key = write_key("key", key_)}, TlsContext::Role::kListens);
  ASSERT_EQ(::write(pair->first.get(), "GET / HTTP/1.0\r\n\r\n", 18), 18);
  const Interruption never;
  const auto link =
      listens.handshake(std::move(pair->second), "", Deadline::after_ms(kPatience_ms), never);
  EXPECT_FALSE(link);
}

TEST_F(ReplicaLink, WhoSaysNothingIsGivenUp) {
  auto pair = make_socket_pair();
  ASSERT_TRUE(pair);
  const auto listens = context({.key = write_key("key", key_)}, TlsContext::Role::kListens);
  const Interruption never;
  const auto link = listens.handshake(std::move(pair->second), "", Deadline::after_ms(20), never);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code, ErrorCode::kBusy);
}

TEST_F(ReplicaLink, KeyFilesThatAreNoneAreRefused) {
  const auto refused = [](const TlsFiles& files, ErrorCode code) {
    const auto made = TlsContext::make(files, TlsContext::Role::kListens);
    return !made && made.error().code == code;
  };
  EXPECT_TRUE(refused({.key = write_key("short", "secret")}, ErrorCode::kUsage));
  EXPECT_TRUE(refused({.key = write_key("blank", std::string(40, ' '))}, ErrorCode::kUsage));
  EXPECT_TRUE(refused({.key = write_key("long", std::string(5000, 'a'))}, ErrorCode::kUsage));
  EXPECT_TRUE(refused({.key = write_key("open", key_, 0644)}, ErrorCode::kUsage));
  EXPECT_TRUE(refused({.key = folder_.file("missing")}, ErrorCode::kNotFound));
  EXPECT_TRUE(refused({.certificate = write_key("pem", key_)}, ErrorCode::kUsage));
  EXPECT_TRUE(refused({.certificate = write_key("pem", key_), .authority = write_key("ca", key_)},
                      ErrorCode::kUsage));
}

TEST_F(ReplicaLink, AddressesAreUnderstood) {
  const auto parsed = [](const std::string& text) {
    const auto address = parse_tcp_address(text);
    return address ? address->host + "|" + std::to_string(address->port) + "|" + address->volume
                   : address.error().text.substr(0, 4);
  };
  EXPECT_EQ(parsed("host"), "host|4329|");
  EXPECT_EQ(parsed("host:77/vol"), "host|77|vol");
  EXPECT_EQ(parsed("[::1]:77"), "::1|77|");
  EXPECT_EQ(parsed("[fe80::1%eth0]"), "fe80::1%eth0|4329|");
  EXPECT_EQ(parsed(":77"), "|77|");
  for (const char* text : {"", "::1", "host:", "host:x", "host:70000", "[::1", "[::1]77", "/vol"})
    EXPECT_FALSE(parse_tcp_address(text)) << text;
}

TEST_F(ReplicaLink, VolumesAreNamedOnce) {
  EXPECT_FALSE(parse_served_volumes({}));
  for (const char* word : {"vol", "vol=", "=dev", "a/b=dev"})
    EXPECT_FALSE(parse_served_volumes({word})) << word;
  EXPECT_FALSE(parse_served_volumes({"a=x", "a=y"}));
  const auto volumes = parse_served_volumes({"a=x", "b=y"});
  ASSERT_OK(volumes);
  EXPECT_EQ(find_served_volume(*volumes, "b").value_or(""), "y");
  EXPECT_FALSE(find_served_volume(*volumes, "c"));
  EXPECT_FALSE(find_served_volume(*volumes, ""));
}

// A listener of one file, in a thread.
class Listening {
 public:
  Listening(const std::string& file, const TlsContext* tls) : volumes_{{"vol", file}} {
    auto sockets = listen_tcp({.host = "127.0.0.1", .port = 0});
    EXPECT_TRUE(sockets) << sockets.error().text;
    sockets_ = *std::move(sockets);
    EXPECT_TRUE(sockets_.front().is_loopback);
    thread_ = std::thread([this, tls] {
      status_ = run_listener({.sockets = sockets_,
                              .volumes = volumes_,
                              .tls = tls,
                              .log = log_,
                              .signal_fd = signal_.fd(),
                              .hello_patience_ms = 200,
                              .workers = 1});
    });
  }
  ~Listening() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    signal_.raise(SIGTERM);
    thread_.join();
    EXPECT_TRUE(status_);
  }
  TcpAddress address() const { return *parse_tcp_address(sockets_.front().address); }
  UniqueFd connect() const {
    const Interruption never;
    auto fd = connect_tcp(address(), kPatience_ms, never);
    EXPECT_TRUE(fd) << fd.error().text;
    return *std::move(fd);
  }

 private:
  const ServedVolumes volumes_;
  std::vector<ListeningTcp> sockets_;
  NullLog log_;
  PretendSignal signal_;
  std::thread thread_;
  Status status_;
};

class ReplicaListener : public ReplicaLink {
 protected:
  void SetUp() override {
    ReplicaLink::SetUp();
    ::setenv("DDSNAP_STATE_DIR", folder_.file("state").c_str(), 1);
    pair_ = make_pair_of_volumes(21, 1 << 20, 1 << 20);
    source_.add("b", pair_.to_uuid, pair_.new_bytes);
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(pair_.old_bytes.data()),
               static_cast<std::streamsize>(pair_.old_bytes.size()));
  }
  Bytes content() const {
    std::ifstream file(path_, std::ios::binary);
    std::vector<char> chars((std::istreambuf_iterator<char>(file)), {});
    const auto bytes = std::as_bytes(std::span(chars));
    return {bytes.begin(), bytes.end()};
  }
  Result<SendTally> send(std::unique_ptr<ByteLink> link) {
    WorkContext context{.workers = 1};
    Channel channel(std::move(link), "listener", {.patience_ms = kPatience_ms});
    return replicate_over(channel, source_, {.volume = "vol", .to_tag = "b", .is_resync = true},
                          context);
  }

  const std::string path_ = folder_.file("copy.img");
  Pair pair_;
  SnapshotsInMemory source_{12};
};

TEST_F(ReplicaLink, AFolderOfKeysSaysWhoMayWriteWhat) {
  for (const char* name : {"keys", "keys/vol0", "keys/vol1"})
    ASSERT_EQ(::mkdir(folder_.file(name).c_str(), 0700), 0);
  const std::string path = folder_.file("keys");
  EXPECT_EQ(KeyRing::of_folder(path).error().code, ErrorCode::kUsage);
  const auto identity = [&](const std::string& name, char letter) {
    const auto key = SessionKey::read(write_key(name, std::string(64, letter)));
    EXPECT_TRUE(key.has_value());
    return key->identity;
  };
  const std::string office = identity("keys/office.key", 'a');
  const std::string branch = identity("keys/vol0/branch.key", 'b');
  EXPECT_EQ(identity("keys/vol1/branch.key", 'b'), branch);
  const std::string boss = identity("keys/vol1/boss.key", 'c');
  EXPECT_EQ(identity("keys/boss.key", 'c'), boss);
  const std::string other = identity("other.key", 'd');
  write_key("keys/readme", "not a key", 0644);

  const auto ring = KeyRing::of_folder(path);
  ASSERT_OK(ring);
  EXPECT_EQ(ring->find(other), nullptr);
  EXPECT_EQ(ring->find("ddsnap"), nullptr);
  ASSERT_TRUE(ring->find(office) && ring->find(branch) && ring->find(boss));
  EXPECT_EQ(ring->find(office)->name, "office");
  const ServedVolumes volumes = {{"vol0", "a"}, {"vol1", "b"}, {"vol2", "c"}};
  const auto may = [&](const std::string& who) {
    std::string all;
    for (const char* name : {"vol0", "vol1", "vol2"})
      if (const auto device = find_served_volume(volumes, name, ring->find(who))) all += *device;
    return all;
  };
  EXPECT_EQ(may(office), "abc");
  EXPECT_EQ(may(branch), "ab");
  EXPECT_EQ(may(boss), "abc");
  EXPECT_FALSE(find_served_volume({{"vol2", "c"}}, "", ring->find(branch)));
  write_key("keys/open.key", std::string(64, 'e'), 0644);
  EXPECT_EQ(KeyRing::of_folder(path).error().code, ErrorCode::kUsage);
  EXPECT_EQ(KeyRing::of_folder(folder_.file("none")).error().code, ErrorCode::kNotFound);
}

TEST_F(ReplicaListener, ServesWithAKeyAndRefusesWithout) {
  const TlsFiles files{.key = write_key("key", key_)};
  const auto listens = context(files, TlsContext::Role::kListens);
  Listening listening(path_, &listens);
  const Interruption never;
  {
    const auto refused = send(*make_socket_link(listening.connect()));
    EXPECT_FALSE(refused);
    const auto other =
        context({.key = write_key("other", std::string(64, 'b'))}, TlsContext::Role::kConnects);
    auto link = other.handshake(listening.connect(), "", Deadline::after_ms(kPatience_ms), never);
    if (link) {
      EXPECT_FALSE(send(*std::move(link)));
    }
    EXPECT_TRUE(content() == pair_.old_bytes);
  }
  const auto connects = context(files, TlsContext::Role::kConnects);
  auto link = connects.handshake(listening.connect(), "", Deadline::after_ms(kPatience_ms), never);
  ASSERT_OK(link);
  ASSERT_OK(send(*std::move(link)));
  EXPECT_TRUE(content() == pair_.new_bytes);
}

TEST_F(ReplicaListener, GarbageAndSilenceCostNobodyAnything) {
  Listening listening(path_, nullptr);
  SeededRandom random(22);
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(listening.connect());
  for (int i = 0; i < 8; ++i) {
    const UniqueFd fd = listening.connect();
    const Bytes garbage = random_bytes(random, 1000);
    (void)!::write(fd.get(), garbage.data(), garbage.size());
  }
  ASSERT_OK(send(*make_socket_link(listening.connect())));
  EXPECT_TRUE(content() == pair_.new_bytes);
}

TEST_F(ReplicaListener, OneSessionAVolume) {
  Listening listening(path_, nullptr);
  Channel first(*make_socket_link(listening.connect()), "listener", {.patience_ms = kPatience_ms});
  MessageStream stream(first);
  ASSERT_OK(stream.send(HelloSession{.volume = "vol"}));
  ASSERT_OK(stream.expect<VolumeSession>());
  const auto refused = send(*make_socket_link(listening.connect()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy) << refused.error().text;
  // And the listener ends although a session is under way.
  listening.stop();
}

}  // namespace
}  // namespace ddsnap::test
