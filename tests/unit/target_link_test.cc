// A target's line as the socket itself shows it: a line that the server has given up is known as
// broken before the link's thread has heard of it (T6).
#include "ddsnap/target/server_link.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "tests/support/fake_server.h"

namespace ddsnap {
namespace {

using test::FakeServer;

// A handler that is busy with its first frame until the test lets it go on.
class BusyHandler final : public LinkHandler {
 public:
  Status on_attached(const HelloOkMessage&, std::uint64_t generation) override {
    attached_.set_value(generation);
    return {};
  }
  void on_lost() override { is_lost_ = true; }
  void on_refused(const Error&) override {}
  Status on_frame(const Frame&) override {
    is_busy_.set_value();
    may_go_on_.get_future().wait();
    return {};
  }

  std::promise<std::uint64_t> attached_;
  std::promise<void> is_busy_;
  std::promise<void> may_go_on_;
  std::atomic<bool> is_lost_ = false;
};

TEST(ServerLink, LineThatTheServerGaveUpIsNotWholeBeforeItIsLost) {
  FakeServer server;
  BusyHandler handler;
  LinkOptions options;
  options.place.server_address = server.address();
  options.role = TargetRole::kSnapshot;
  options.tag = "monday";
  ServerLink link(options, handler);
  link.start();
  server.accept_and_welcome(server.snapshot_ok(9));
  const std::uint64_t generation = handler.attached_.get_future().get();
  EXPECT_TRUE(link.is_whole(generation));
  EXPECT_FALSE(link.is_whole(generation + 1));
  server.send(DroppedMessage{});
  handler.is_busy_.get_future().wait();
  server.die();
  EXPECT_FALSE(handler.is_lost_) << "the link's thread is busy";
  EXPECT_FALSE(link.is_whole(generation));
  handler.may_go_on_.set_value();
  link.stop();
}

}  // namespace
}  // namespace ddsnap
