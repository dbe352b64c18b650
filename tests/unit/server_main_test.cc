// Whole server and agent processes: they detach only when ready and tell by their exit status,
// refuse what cannot work with a clear error, leave nothing behind, survive kill -9. Forks; needs
// no root.
#include "server/server_main.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/agent_main.h"
#include "ddsnap/wire/cli_messages.h"
#include "ddsnap/wire/connection.h"
#include "ddsnap/wire/device_identity.h"
#include "server/store/snap_store.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kWait_ms = 60'000;

class ServerMain : public ::testing::Test {
 protected:
  ServerMain() {
    make_file("origin", 16u << 20);
    make_file("snapstore", 32u << 20);
    options_ = {.snapstore = directory_.file("snapstore"),
                .origin = directory_.file("origin"),
                .control = directory_.file("control"),
                .socket = directory_.file("server"),
                .log = directory_.file("log"),
                .pid_file = directory_.file("pid")};
  }
  ~ServerMain() override {
    for (const std::string name : {"pid", "agent-pid"})
      if (const pid_t pid = pid_in(name); pid > 0) stop(pid, SIGKILL);
  }

  void make_file(const std::string& name, std::uintmax_t size_bytes) {
    {
      std::ofstream file(directory_.file(name));
    }
    std::filesystem::resize_file(directory_.file(name), size_bytes);
  }
  void initialize() {
    const FileOptions options{.access = DeviceAccess::kReadWrite, .engine = IoEngineKind::kSync};
    auto snapstore = FileDevice::open(options_.snapstore, options);
    auto origin = FileDevice::open(options_.origin, options);
    SystemRandom random;
    ASSERT_TRUE(initialize_store({**snapstore, **origin}, {}, random));
  }

  struct Ended {
    int status = -1;
    std::string said;  // on stderr
  };
  // What a shell sees of the command: the exit status of the process that it started.
  template <class Run>
  Ended command(Run run) {
    const std::string said_path = directory_.file("said");
    const pid_t child = ::fork();
    if (child == 0) {
      const int said = ::open(said_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      ::dup2(said, STDERR_FILENO);
      const Status done = run();
      if (!done) ::dprintf(STDERR_FILENO, "%s\n", done.error().message().c_str());
      ::_exit(done ? 0 : exit_status(done.error()));
    }
    Ended ended;
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
    std::ifstream file(said_path);
    ended.said.assign(std::istreambuf_iterator<char>(file), {});
    return ended;
  }
  Ended start_server() {
    return command([&] { return run_server(options_); });
  }
  pid_t pid_in(const std::string& name) {
    pid_t pid = 0;
    std::ifstream(directory_.file(name)) >> pid;
    return pid;
  }
  // The daemon is no child of ours: its end is seen by its number being gone.
  static void stop(pid_t pid, int signal) {
    ::kill(pid, signal);
    const Deadline deadline = Deadline::after_ms(kWait_ms);
    while (::kill(pid, 0) == 0 && !is_zombie(pid)) {
      ASSERT_FALSE(deadline.has_passed());
      std::this_thread::yield();
    }
  }
  static bool is_zombie(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    const auto name_end = line.rfind(')');
    return name_end == std::string::npos || line.substr(name_end + 2, 1) == "Z";
  }

  TempDir directory_;
  ServerOptions options_;
};

TEST_F(ServerMain, DetachesWhenItsSocketAcceptsAndStopsCleanly) {
  initialize();
  const Ended started = start_server();
  ASSERT_EQ(started.status, 0) << started.said;
  {
    auto client = Connection::open(options_.socket, kWait_ms);
    ASSERT_TRUE(client);
    const auto status = client->call<ServerStatusMessage>(GetStatusMessage{}, kWait_ms);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->origin_path, options_.origin);
  }
  stop(pid_in("pid"), SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(options_.socket));
  EXPECT_FALSE(std::filesystem::exists(options_.pid_file));
}

TEST_F(ServerMain, SecondServerIsRefusedAsBusy) {
  initialize();
  ASSERT_EQ(start_server().status, 0);
  ServerOptions second = options_;
  second.socket = directory_.file("second");
  second.pid_file.clear();
  const Ended refused = command([&] { return run_server(second); });
  EXPECT_EQ(refused.status, 5);
  EXPECT_NE(refused.said.find("in use by a running server"), std::string::npos) << refused.said;
  stop(pid_in("pid"), SIGTERM);
}

TEST_F(ServerMain, ComesBackAfterKill9OverItsStaleSocket) {
  initialize();
  ASSERT_EQ(start_server().status, 0);
  SystemRandom random;
  {
    auto client = Connection::open(options_.socket, kWait_ms);
    ASSERT_TRUE(client->call<OkMessage>(
        CreateSnapshotMessage{.uuid = Uuid::make(random), .tag = "0"}, kWait_ms));
  }
  stop(pid_in("pid"), SIGKILL);
  EXPECT_TRUE(std::filesystem::exists(options_.socket));
  const Ended again = start_server();
  ASSERT_EQ(again.status, 0) << again.said;
  auto client = Connection::open(options_.socket, kWait_ms);
  const auto list = client->call<SnapshotListMessage>(ListSnapshotsMessage{}, kWait_ms);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->entries.size(), 1u);
  stop(pid_in("pid"), SIGTERM);
}

TEST_F(ServerMain, UninitializedSnapstoreIsAClearError) {
  const Ended refused = start_server();
  EXPECT_EQ(refused.status, 1);
  EXPECT_FALSE(refused.said.empty());
  EXPECT_FALSE(std::filesystem::exists(options_.socket));
}

TEST_F(ServerMain, SameFileTwiceIsAUsageError) {
  std::filesystem::create_hard_link(options_.origin, directory_.file("link"));
  options_.snapstore = directory_.file("link");
  const Ended refused = start_server();
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.said.find("are the same"), std::string::npos) << refused.said;
}

TEST_F(ServerMain, MissingDeviceIsNotFound) {
  std::filesystem::remove(options_.origin);
  EXPECT_EQ(start_server().status, 4);
}

TEST_F(ServerMain, ServiceManagerIsTold) {
  initialize();
  const std::string address = directory_.file("notify");
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  ASSERT_LT(address.size(), sizeof name.sun_path);
  address.copy(name.sun_path, address.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  const Ended started = command([&] {
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    return run_server(options_);
  });
  ASSERT_EQ(started.status, 0) << started.said;
  char buffer[64] = {};
  ASSERT_GT(::recv(socket.get(), buffer, sizeof buffer - 1, 0), 0);
  EXPECT_STREQ(buffer, "READY=1");
  stop(pid_in("pid"), SIGTERM);
}

TEST_F(ServerMain, ServerRegistersWithAnAgentThatComesLater) {
  initialize();
  ASSERT_EQ(start_server().status, 0);
  const Ended agent = command([&] {
    return run_agent({.control = options_.control,
                      .log = directory_.file("agent-log"),
                      .pid_file = directory_.file("agent-pid")});
  });
  ASSERT_EQ(agent.status, 0) << agent.said;
  auto target = Connection::open(options_.control, kWait_ms);
  ASSERT_TRUE(target);
  const auto pair = identify_pair(options_.snapstore, options_.origin);
  ASSERT_TRUE(pair);
  const auto at = target->call<ServerAtMessage>(FindServerMessage{*pair}, kWait_ms);
  ASSERT_TRUE(at) << at.error().message();
  EXPECT_EQ(at->address, options_.socket);
  const Ended second = command([&] { return run_agent({.control = options_.control}); });
  EXPECT_EQ(second.status, 5) << second.said;
  stop(pid_in("agent-pid"), SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(options_.control));
  stop(pid_in("pid"), SIGTERM);
}

}  // namespace
}  // namespace ddsnap::test
