// Shows that a snapshot made during heavy writing is one instant (T2): threads write numbered
// blocks through origin targets, each block telling up to which number everything had been
// acknowledged when it was issued. No snapshot may hold a block without all of those. Also with two
// origin targets, and with the server cut off and started again in between.
//
// The k-th block goes to place k mod kPlaces (shuffled), so a snapshot may hold a later block in a
// place, but never an older one. What was acknowledged before `create` was asked for must be in the
// snapshot; what was issued after it returned must not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>

#include "tests/support/live_server.h"

namespace ddsnap::test {
namespace {

constexpr std::size_t kBlockBytes = 4096;
constexpr std::uint64_t kPlaces = 512;
constexpr std::uint64_t kMagic = 0x6f72646572656421;
constexpr unsigned kThreads = 6;

// Neighbours in time lie in different chunks.
constexpr std::uint64_t place_of(std::uint64_t number) {
  return number * 197 % kPlaces;
}

struct Block {
  std::uint64_t magic = kMagic;
  std::uint64_t number = 0;              // from 1 on
  std::uint64_t acknowledged_below = 0;  // every number up to this one, before this was issued
};

// Which numbers were acknowledged: all up to low(), and some beyond.
class Acknowledged {
 public:
  std::uint64_t low() const { return low_.load(); }
  void add(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    early_.insert(number);
    std::uint64_t low = low_.load();
    while (early_.erase(low + 1) != 0) ++low;
    low_.store(low);
  }

 private:
  std::atomic<std::uint64_t> low_ = 0;
  std::mutex mutex_;
  std::set<std::uint64_t> early_;  // under mutex_
};

// What the snapshot must hold and must not: by the numbers around its create.
struct Bounds {
  std::uint64_t acknowledged_before = 0;
  std::uint64_t issued_after = UINT64_MAX;
};

// Empty: the image is one instant.
std::string wrong_instant(std::span<const std::byte> image, const Bounds& bounds) {
  std::vector<std::uint64_t> numbers(kPlaces);
  Block latest;
  std::uint64_t promised = bounds.acknowledged_before;
  for (std::uint64_t place = 0; place < kPlaces; ++place) {
    Block block;
    std::memcpy(&block, image.data() + place * kBlockBytes, sizeof block);
    if (block.magic != kMagic) continue;
    if (place_of(block.number) != place)
      return fmt::format("block {} is in the wrong place", block.number);
    if (block.number >= bounds.issued_after)
      return fmt::format("block {} was issued after the snapshot was there", block.number);
    numbers[place] = block.number;
    if (block.acknowledged_below > promised) {
      promised = block.acknowledged_below;
      latest = block;
    }
  }
  const std::uint64_t oldest = promised >= kPlaces ? promised - kPlaces + 1 : 1;
  for (std::uint64_t number = oldest; number <= promised; ++number)
    if (numbers[place_of(number)] < number)
      return fmt::format("block {} is there, issued when {} was acknowledged, but {} is missing",
                         latest.number, promised, number);
  return {};
}

// The writers: each takes the next number and writes its block through its target.
class Writers {
 public:
  explicit Writers(std::vector<OriginTarget*> targets) {
    for (unsigned i = 0; i < kThreads; ++i)
      threads_.emplace_back([this, target = targets[i % targets.size()]] { write_on(*target); });
  }
  ~Writers() { stop(); }

  void stop() {
    is_stopping_ = true;
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  std::uint64_t acknowledged() const { return acknowledged_.low(); }
  // Every number from this on was not issued yet.
  std::uint64_t next() const { return next_.load(); }
  // False: writing stands still.
  bool wait_beyond(std::uint64_t number) const {
    const Deadline deadline = Deadline::after_ms(LiveServer::kWait_ms);
    while (acknowledged() <= number) {
      if (deadline.has_passed() || has_failed_) return false;
      std::this_thread::yield();
    }
    return true;
  }
  bool has_failed() const { return has_failed_; }

 private:
  void write_on(OriginTarget& target) {
    std::vector<std::byte> bytes(kBlockBytes);
    while (!is_stopping_ && !has_failed_) {
      const std::uint64_t number = next_.fetch_add(1);
      // Two blocks for one place are never under way together.
      while (acknowledged_.low() + kPlaces <= number) {
        if (has_failed_) return;
        std::this_thread::yield();
      }
      const Block block{.number = number, .acknowledged_below = acknowledged_.low()};
      std::memcpy(bytes.data(), &block, sizeof block);
      const Status written =
          target.write(place_of(number) * kBlockBytes, bytes, Durability::kLater);
      if (!written) {
        ADD_FAILURE() << written.error().message();
        has_failed_ = true;
        return;
      }
      acknowledged_.add(number);
    }
  }

  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> has_failed_ = false;
  std::atomic<std::uint64_t> next_ = 1;
  Acknowledged acknowledged_;
  std::vector<std::thread> threads_;
};

class OrderedWrites : public ::testing::Test {
 protected:
  // A snapshot while the writers go on.
  void take_snapshot(Writers& writers) {
    const std::string tag = std::to_string(bounds_.size());
    Bounds bounds{.acknowledged_before = writers.acknowledged()};
    const Status created = server_.create(tag);
    bounds.issued_after = writers.next();
    ASSERT_TRUE(created) << created.error().message();
    bounds_.push_back(bounds);
    ASSERT_TRUE(writers.wait_beyond(bounds.issued_after + kThreads)) << "after snapshot " << tag;
  }
  void check_all() {
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
      auto snapshot = server_.open_snapshot(std::to_string(i));
      ASSERT_TRUE(snapshot) << snapshot.error().message();
      std::vector<std::byte> image(kPlaces * kBlockBytes);
      const Status read = (*snapshot)->read(0, image);
      ASSERT_TRUE(read) << read.error().message();
      EXPECT_EQ(wrong_instant(image, bounds_[i]), "") << "snapshot " << i;
    }
  }
  // Targets that were cut off are back: a create is refused as busy until then.
  void wait_for_targets() {
    const Deadline deadline = Deadline::after_ms(LiveServer::kWait_ms);
    for (;;) {
      const Status created = server_.create("probe");
      if (created) break;
      ASSERT_EQ(created.error().code, ErrorCode::kBusy) << created.error().message();
      ASSERT_FALSE(deadline.has_passed());
      std::this_thread::yield();
    }
    ASSERT_TRUE(server_.remove("probe"));
  }

  LiveServer server_{{.origin_bytes = kPlaces * kBlockBytes, .snapstore_bytes = 64u << 20}};
  std::vector<Bounds> bounds_;
};

TEST_F(OrderedWrites, EverySnapshotIsOneInstant) {
  const auto origin = server_.open_origin("a");
  Writers writers({origin.get()});
  ASSERT_TRUE(writers.wait_beyond(kPlaces));
  for (int i = 0; i < 24; ++i) ASSERT_NO_FATAL_FAILURE(take_snapshot(writers));
  writers.stop();
  check_all();
}

TEST_F(OrderedWrites, AlsoOverTwoTargets) {
  const auto a = server_.open_origin("a");
  const auto b = server_.open_origin("b");
  Writers writers({a.get(), b.get()});
  ASSERT_TRUE(writers.wait_beyond(kPlaces));
  for (int i = 0; i < 24; ++i) ASSERT_NO_FATAL_FAILURE(take_snapshot(writers));
  writers.stop();
  check_all();
}

TEST_F(OrderedWrites, AlsoWhenTheServerIsKilledInBetween) {
  const auto a = server_.open_origin("a");
  const auto b = server_.open_origin("b");
  Writers writers({a.get(), b.get()});
  ASSERT_TRUE(writers.wait_beyond(kPlaces));
  for (int i = 0; i < 12; ++i) {
    ASSERT_NO_FATAL_FAILURE(take_snapshot(writers));
    if (i % 3 != 0) continue;
    server_.restart(i % 2 == 0 ? LiveServer::Ending::kDead : LiveServer::Ending::kClean);
    ASSERT_NO_FATAL_FAILURE(wait_for_targets());
  }
  writers.stop();
  check_all();
}

// A test of the test: images that are no instant are told from those that are.
TEST(OrderedWritesChecker, NoticesWhatIsMissing) {
  std::vector<std::byte> image(kPlaces * kBlockBytes);
  const auto put = [&](std::uint64_t number, std::uint64_t acknowledged_below) {
    const Block block{.number = number, .acknowledged_below = acknowledged_below};
    std::memcpy(image.data() + place_of(number) * kBlockBytes, &block, sizeof block);
  };
  for (std::uint64_t number = 1; number <= 700; ++number) put(number, number - 1);
  EXPECT_EQ(wrong_instant(image, {}), "");
  EXPECT_EQ(wrong_instant(image, {.acknowledged_before = 700, .issued_after = 701}), "");
  EXPECT_NE(wrong_instant(image, {.acknowledged_before = 701}), "");
  EXPECT_NE(wrong_instant(image, {.issued_after = 700}), "");
  put(690 - kPlaces, 0);
  EXPECT_NE(wrong_instant(image, {}), "") << "690 is overtaken by what was issued after it";
}

}  // namespace
}  // namespace ddsnap::test
