// Shows that the index over live tables finds what a look into each of them finds, for few tables
// and many, small volumes and those whose chunks share regions, while keys come, snapshots go and
// the volume's far end is written for the first time late.
#include "server/store/live_index.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "ddsnap/base/random.h"

namespace ddsnap::test {
namespace {

class LiveIndexTest : public ::testing::TestWithParam<std::uint64_t> {  // chunks of the volume
 protected:
  void add(std::uint64_t epoch) {
    tables_[epoch] = std::make_unique<Table>();
    index_.add({epoch}, *tables_[epoch]);
  }
  void remove(std::uint64_t epoch) {
    index_.remove({epoch});
    tables_.erase(epoch);
  }
  void write(std::uint64_t epoch, std::uint32_t chunk) {
    tables_[epoch]->keys.add(chunk);
    index_.note_key({epoch}, {chunk});
  }
  const Table* find_by_looking(std::uint64_t from, std::uint32_t chunk) const {
    for (auto at = tables_.lower_bound(from); at != tables_.end(); ++at)
      if (at->second->keys.contains(chunk)) return at->second.get();
    return nullptr;
  }
  // Chunks that were written, their neighbours, and others.
  void check(SeededRandom& random, std::uint64_t chunks, std::uint64_t last_epoch) {
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t from = 1 + random.below(last_epoch);
      std::uint32_t chunk = static_cast<std::uint32_t>(random.below(chunks));
      const auto near = tables_.lower_bound(from);
      if (i % 4 != 0 && near != tables_.end() && !near->second->keys.is_empty())
        chunk = near->second->keys.maximum() - (i % 4 == 1 && near->second->keys.maximum() > 0);
      ASSERT_EQ(index_.find({from}, {chunk}), find_by_looking(from, chunk))
          << "chunk " << chunk << " from epoch " << from;
    }
  }

  LiveIndex index_;
  std::map<std::uint64_t, std::unique_ptr<Table>> tables_;
};

TEST_P(LiveIndexTest, FindsWhatLookingIntoEachTableFinds) {
  const std::uint64_t chunks = GetParam();
  SeededRandom random(chunks);
  for (std::uint64_t epoch = 1; epoch <= 400; ++epoch) {
    add(epoch);
    // Only the front at first, so that regions grow on the way.
    const std::uint64_t reach = epoch < 200 ? std::min<std::uint64_t>(chunks, 5000) : chunks;
    for (std::uint64_t i = random.below(20); i > 0; --i)
      write(epoch, static_cast<std::uint32_t>(random.below(reach)));
    if (random.below(3) == 0) remove(tables_.begin()->first);
    if (random.below(3) == 0) {
      // As a delete in the middle: the older table takes over what the removed one had.
      const auto removed = std::next(tables_.begin(), static_cast<int>(tables_.size() / 2));
      if (removed != tables_.begin()) {
        Table& older = *std::prev(removed)->second;
        older.keys |= removed->second->keys;
        index_.note_keys({std::prev(removed)->first}, removed->second->keys);
        remove(removed->first);
      }
    }
    if (epoch % 20 == 0) check(random, chunks, epoch);
  }
}

INSTANTIATE_TEST_SUITE_P(Volumes, LiveIndexTest,
                         ::testing::Values(100, 1u << 20, 1u << 26, std::uint64_t{1} << 32));

}  // namespace
}  // namespace ddsnap::test
