// A whole server on files of its own, in a thread of the test: what the userspace targets talk to
// when nothing of it is played by hand.
//
// Shape     Origin and snapstore are temporary files, full of noise before they are initialised
//           (what nobody wrote must not be taken for anything). start() and stop() may alternate:
//           targets find the server again at the same address (T3). No agent.
// Errors    What a test cannot go on without is DD_CHECKed.
// Threads   The server's loop runs on one of its own; everything else by one thread, except
//           create(), remove() and the paths, which any thread may use while the server runs.
// Lifetime  Targets are to be destroyed before it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ddsnap/target/origin_target.h"
#include "ddsnap/target/snapshot_target.h"
#include "ddsnap/wire/cli_messages.h"
#include "server/served_devices.h"
#include "server/server_loop.h"
#include "server/system_probe.h"
#include "tests/support/pretend_signal.h"
#include "tests/support/temp_dir.h"

namespace ddsnap::test {

class LiveServer {
 public:
  static constexpr std::uint64_t kWait_ms = 60'000;

  struct Shape {
    std::uint64_t origin_bytes = 0;
    std::uint64_t snapstore_bytes = 0;
    unsigned chunk_shift = kDefaultChunkShift;
    std::uint64_t seed = 1;
  };

  explicit LiveServer(const Shape& shape);
  ~LiveServer();

  enum class Ending {
    kClean,  // the store is closed
    kDead,   // as by kill -9: nothing is written any more
  };
  void start();
  void stop(Ending ending);
  void restart(Ending ending) {
    stop(ending);
    start();
  }

  // ---- as the command line would ----
  Status create(const std::string& tag, std::int8_t priority = 0) const;
  Status remove(const std::string& tag) const;
  Result<SnapshotEntry> entry(const std::string& tag) const;

  // ---- targets ----
  std::unique_ptr<OriginTarget> open_origin(const std::string& label) const;
  Result<std::unique_ptr<SnapshotTarget>> open_snapshot(const std::string& tag) const;

  const Shape& shape() const { return shape_; }
  const std::string& address() const { return address_; }
  std::string origin_path() const { return directory_.file("origin"); }
  std::string snapstore_path() const { return directory_.file("snapstore"); }
  // Read past every target: origin data stays in place.
  std::vector<std::byte> raw_origin() const;

 private:
  template <class Answer, class Request>
  Result<Answer> call(const Request& request) const;
  TargetOptions target_options(const std::string& label, const std::string& tag) const;

  const Shape shape_;
  TempDir directory_;
  const std::string address_ = directory_.file("server");
  SystemRandom random_;
  NullLog log_;

  // Of the server that runs now.
  PretendSignal signal_;
  std::unique_ptr<ServedDevices> devices_;
  std::unique_ptr<SnapStore> store_;
  std::unique_ptr<SystemProbe> probe_;
  std::unique_ptr<Volume> volume_;
  std::optional<ListeningSocket> listener_;
  std::unique_ptr<AgentLink> agent_;
  std::unique_ptr<ServerLoop> loop_;
  std::thread thread_;
};

}  // namespace ddsnap::test
