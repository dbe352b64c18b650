// Listening sockets: the mode from the first instant, what is replaced and what is refused, and
// that a socket's file goes with its owner and only then. All in a temporary directory, in one
// process: two daemons are two ListeningSockets.
#include "ddsnap/wire/socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace ddsnap {
namespace {

constexpr std::uint64_t kTimeout_ms = 2000;

class WireSocket : public ::testing::Test {
 protected:
  std::string path() const { return (dir_.path() / "s").string(); }
  // As a daemon that was killed leaves it.
  void leave_stale_socket() const {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path().c_str(), sizeof name.sun_path - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  }

  test::TempDir dir_;
};

TEST_F(WireSocket, IsForItsOwnerAlone) {
  const mode_t old = ::umask(0);
  const auto listening = ListeningSocket::open(path());
  ::umask(old);
  ASSERT_TRUE(listening.has_value()) << listening.error().message();
  struct stat found{};
  ASSERT_EQ(::stat(path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(WireSocket, ConnectsAndKnowsItsPeer) {
  auto listening = ListeningSocket::open(path());
  ASSERT_TRUE(listening.has_value());
  const auto client = connect_socket(path(), kTimeout_ms);
  ASSERT_TRUE(client.has_value()) << client.error().message();
  const auto server = listening->accept();
  ASSERT_TRUE(server.has_value());
  EXPECT_TRUE(check_peer(client->get()));
  EXPECT_TRUE(check_peer(server->get()));
  EXPECT_EQ(*peer_uid(server->get()), ::geteuid());
}

TEST_F(WireSocket, ReplacesWhatADeadDaemonLeft) {
  leave_stale_socket();
  EXPECT_EQ(connect_socket(path(), kTimeout_ms).error().code, ErrorCode::kDisconnected);
  EXPECT_TRUE(ListeningSocket::open(path()).has_value());
}

TEST_F(WireSocket, RefusesALivingDaemonsAddress) {
  const auto first = ListeningSocket::open(path());
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(ListeningSocket::open(path()).error().code, ErrorCode::kBusy);
  EXPECT_TRUE(connect_socket(path(), kTimeout_ms).has_value());
}

TEST_F(WireSocket, RefusesWhatIsNoSocket) {
  std::ofstream(path()) << "precious";
  EXPECT_EQ(ListeningSocket::open(path()).error().code, ErrorCode::kExists);
  std::string content;
  std::ifstream(path()) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(WireSocket, RemovesItsFileAtTheEnd) {
  {
    const auto listening = ListeningSocket::open(path());
  }
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_EQ(connect_socket(path(), kTimeout_ms).error().code, ErrorCode::kNotFound);
}

TEST_F(WireSocket, LeavesASuccessorsFileAlone) {
  auto first = ListeningSocket::open(path());
  ASSERT_TRUE(first.has_value());
  std::filesystem::remove(path());
  const auto second = ListeningSocket::open(path());
  ASSERT_TRUE(second.has_value());
  {
    const ListeningSocket gone = std::move(*first);
  }
  EXPECT_TRUE(connect_socket(path(), kTimeout_ms).has_value());
}

TEST_F(WireSocket, SpeaksAbstractNames) {
  const std::string name = "@" + path();
  EXPECT_EQ(connect_socket(name, kTimeout_ms).error().code, ErrorCode::kNotFound);
  const auto listening = ListeningSocket::open(name);
  ASSERT_TRUE(listening.has_value());
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_TRUE(connect_socket(name, kTimeout_ms).has_value());
  EXPECT_EQ(ListeningSocket::open(name).error().code, ErrorCode::kBusy);
}

TEST_F(WireSocket, RefusesImpossibleAddresses) {
  for (const std::string& address : {std::string(), std::string("@"), std::string(108, 'x')})
    EXPECT_EQ(ListeningSocket::open(address).error().code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace ddsnap
