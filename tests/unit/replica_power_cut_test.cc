// Shows that a session whose receiver loses its power is run again and ends right: on a bare
// device, and on a volume with a snapstore, both on simulated disks whose unflushed writes are
// kept, dropped or torn. The power goes at every write and every flush of all devices of the
// receiver, and before and after every change of its record; then once more in the second run.
// Whoever reads the volume's snapshots meanwhile, or after the cut, sees the older one as it was
// and the newer one whole or not at all. Shown to test something: without the disks' flushes, or
// with a record that forgets the transfer, some outcome is not mended.
#include <gtest/gtest.h>

#include "server/store/snap_store.h"
#include "tests/support/crashing_apply_state.h"
#include "tests/support/session_world.h"

namespace ddsnap::test {
namespace {

constexpr unsigned kShift = 12;
constexpr std::size_t kChunkBytes = std::size_t{1} << kShift;
constexpr std::size_t kSize = 48 * kChunkBytes + 512;  // the last chunk is a short one
constexpr std::size_t kStoreBytes = 1 << 20;
constexpr std::size_t kMaxImages = 4;

// What both kinds of target have in common: simulated disks and a record.
class SimTarget : public SessionTarget {
 public:
  SimTarget(SimWorld& world, ApplyState& record) : world_(world), record_(record) {
    state_ = record_.load().value();
  }
  const std::string& name() const override { return world_.device(0).name(); }
  Status note(const CutTransfer& cut) override {
    state_ = state_during(std::move(state_), cut);
    return record_.store(state_);
  }
  Result<std::unique_ptr<BlockDevice>> open(const AuditSession&) override {
    return fail(ErrorCode::kUsage, "nobody audits here");
  }

 protected:
  bool goes_on(const std::optional<CutTransfer>& cut, const StartSession& start) const {
    return !start.is_resync && cut && cut->from == start.from && cut->to == start.to;
  }
  SimWorld& world_;
  ApplyState& record_;
  TargetState state_;
};

class BareTarget final : public SimTarget {
 public:
  using SimTarget::SimTarget;
  Result<VolumeSession> facts() override {
    VolumeSession facts;
    facts.volume_bytes = kSize;
    facts.cut = cut_of(state_);
    if (!facts.cut) facts.held.push_back(state_.snapshot_uuid);
    return facts;
  }
  Result<Begun> begin(const StartSession& start) override {
    const auto cut = cut_of(state_);
    return Begun{world_.device(0), goes_on(cut, start) ? *cut : fresh_transfer(start)};
  }
  Status finish(const StartSession& start, const TargetSamples& samples) override {
    DD_TRY(world_.device(0).flush());
    return record_.store(state_behind(state_, start, samples));
  }
};

// The origin as its target has it: what is overwritten was granted before, and so copied out.
class GrantedOrigin final : public WrappedDevice {
 public:
  GrantedOrigin(BlockDevice& origin, SnapStore& store) : WrappedDevice(origin), store_(store) {}
  Status run(std::span<IoRequest> batch) override {
    for (const IoRequest& one : batch)
      if (op_of(one) == DeviceOp::kWrite) DD_TRY(grant(range_of(one)));
    return next_.run(batch);
  }
  Status write_zeroes(ByteRange range) override {
    DD_TRY(grant(range));
    return next_.write_zeroes(range);
  }

 private:
  Status grant(ByteRange range) {
    for (std::uint64_t at = range.offset_bytes >> kShift; at << kShift < range.end_bytes(); ++at) {
      WriteAsk ask{.chunk = {static_cast<std::uint32_t>(at)}};
      if (store_.is_granted(ask.chunk)) continue;
      DD_TRY(store_.prepare_writes(std::span(&ask, 1)));
      if (ask.outcome != WriteAsk::Outcome::kGranted) return fail(ErrorCode::kNoSpace, "no grant");
    }
    return {};
  }
  SnapStore& store_;
};

// A snapshot as its target reads it; none: it would report damage.
std::optional<Bytes> read_snapshot(SnapStore& store, SimWorld& world, const Uuid& uuid) {
  const auto facts = store.find(uuid);
  std::vector<Location> places;
  const auto chunks = static_cast<std::uint32_t>((kSize + kChunkBytes - 1) / kChunkBytes);
  if (!facts || !store.locate(facts->epoch, {{0}, chunks}, places)) return std::nullopt;
  Bytes all(chunks * kChunkBytes);
  for (std::uint32_t i = 0; i < chunks; ++i) {
    const auto chunk = std::span(all).subspan(i * kChunkBytes, kChunkBytes);
    const std::uint64_t slot_bytes =
        store.facts().slots_offset_bytes + places[i].slot.value * kChunkBytes;
    Status read;
    if (places[i].place == Location::Place::kOrigin)
      read = world.device(0).read_at(i * kChunkBytes,
                                     chunk.first(std::min(kChunkBytes, kSize - i * kChunkBytes)));
    else if (places[i].place == Location::Place::kSlot)
      read = world.device(1).read_at(slot_bytes, chunk);
    else if (places[i].place != Location::Place::kZero)
      return std::nullopt;
    if (!read) return std::nullopt;
  }
  all.resize(kSize);
  return all;
}

// As VolumeSessionTarget, with the store in the place of its server.
class VolumeTarget final : public SimTarget {
 public:
  VolumeTarget(SimWorld& world, ApplyState& record, const Pair& pair, RandomSource& random)
      : SimTarget(world, record), pair_(pair), random_(random) {}
  Status start() {
    store_ = DD_TRY(SnapStore::open({world_.device(1), world_.device(0)}, {}, random_));
    origin_ = std::make_unique<GrantedOrigin>(world_.device(0), *store_);
    return {};
  }
  Result<VolumeSession> facts() override {
    VolumeSession facts;
    facts.volume_bytes = kSize;
    for (const BoundaryFacts& one : store_->boundaries({}, kMaxBoundaries))
      facts.held.insert(facts.held.begin(), one.uuid);
    facts.cut = cut_of_volume(state_, facts.held);
    if (facts.cut) return facts;
    const Epoch newest = store_->newest_boundary();
    facts.is_touched = !DD_TRY(store_->changed(newest, {}))
    .isEmpty();
    return facts;
  }
  Result<Begun> begin(const StartSession& start) override {
    const auto cut = DD_TRY(facts())
    .cut;
    return Begun{*origin_, goes_on(cut, start) ? *cut : fresh_transfer(start)};
  }
  Status note(const CutTransfer& cut) override {
    if (!world_.crashed()) {
      EXPECT_TRUE(read_snapshot(*store_, world_, pair_.from_uuid) == pair_.old_bytes);
    }
    return SimTarget::note(cut);
  }
  Status finish(const StartSession& start, const TargetSamples& samples) override {
    DD_TRY(origin_->flush());
    if (!store_->find(start.to))  // a server knows a create that it did (S6)
      DD_TRY(store_->create({.uuid = start.to, .tag = start.to_tag}));
    return record_.store(state_behind(state_, start, samples));
  }

 private:
  const Pair& pair_;
  RandomSource& random_;
  std::unique_ptr<SnapStore> store_;
  std::unique_ptr<GrantedOrigin> origin_;
};

enum class Kind { kBare, kVolume };
enum class Sabotage { kNone, kFlushes, kRecord };

struct Cut {
  std::uint64_t at_operation = UINT64_MAX;
  int at_store = -1;
  bool store_lands = false;
};

struct Ran {
  bool is_good = false;
  bool was_cut = false;
  TargetState record;
  std::uint64_t operations = 0;
  int stores = 0;
};

class PowerCut {
 public:
  PowerCut(Kind kind, bool is_resync)
      : kind_(kind),
        is_resync_(is_resync),
        pair_(make_pair_of_volumes(3, kSize, kSize)),
        source_(kShift) {
    source_.add("a", pair_.from_uuid, pair_.old_bytes);
    source_.add("b", pair_.to_uuid, pair_.new_bytes);
    SimWorld world(1);
    SimDevice& origin = world.add_device("origin", {.size_bytes = kSize});
    DD_CHECK(origin.write_at(0, pair_.old_bytes).has_value());
    if (kind_ == Kind::kVolume) {
      SimDevice& snapstore = world.add_device("snapstore", {.size_bytes = kStoreBytes});
      DD_CHECK(initialize_store({snapstore, origin}, {.chunk_shift = kShift}, random_).has_value());
      auto store = SnapStore::open({snapstore, origin}, {}, random_);
      DD_CHECK(store.has_value());
      DD_CHECK((*store)->create({.uuid = pair_.from_uuid, .tag = "a"}).has_value());
    }
    DD_CHECK(origin.flush().has_value());
    before_ = world.crash_images(2).front();
    record_.snapshot_uuid = pair_.from_uuid;
  }

  // One session, from the beginning of all.
  Ran run_first(SimWorld& world, const Cut& cut) { return run(world, record_, cut); }

  // The power goes at `cut`; how many outcomes were not mended by running it again.
  int outcomes_not_mended(const Cut& cut, std::uint64_t again_at, Ran& first) {
    SimWorld world(before_, 1);
    world.ignore_flushes(sabotage_ == Sabotage::kFlushes);
    first = run_first(world, cut);
    int broken = 0;
    for (const SimImage& image : world.crash_images(kMaxImages)) {
      SCOPED_TRACE(image.description);
      if (!is_whole(image)) ++broken;
      SimWorld second(image, 2);
      const Ran again = run(second, first.record, {.at_operation = again_at});
      const SimImage after = second.crash_images(2).back();
      SimWorld third(after, 3);
      const Ran last = run(third, again.record, {});
      if (!last.is_good || !is_copied(third, last)) ++broken;
    }
    return broken;
  }

  const SimImage& before() const { return before_; }
  void sabotage(Sabotage how) { sabotage_ = how; }

 private:
  Ran run(SimWorld& world, const TargetState& state, const Cut& cut) {
    CrashingApplyState record(world, state);
    record.cut_at_ = cut.at_store;
    record.lands_ = cut.store_lands;
    record.forgets_ = sabotage_ == Sabotage::kRecord && (&state == &record_);
    const std::uint64_t begun = world.operations();
    if (cut.at_operation != UINT64_MAX) world.crash_at_operation(begun + cut.at_operation);
    Result<SendTally> tally = [&] {
      Meeting meeting([&] { return open(world, record); }, 20'000, 0);
      Channel channel(meeting.link(), "receiver", {});
      WorkContext context{.workers = 1};
      auto sent = replicate_over(channel, source_,
                                 {.volume = "vol",
                                  .to_tag = "b",
                                  .is_resync = is_resync_,
                                  .window_bytes = 8 * kChunkBytes},
                                 context);
      return sent;
    }();
    return {tally.has_value(), world.crashed(), record.state_, world.operations() - begun,
            record.stores_};
  }

  Result<std::unique_ptr<SessionTarget>> open(SimWorld& world, ApplyState& record) {
    if (kind_ == Kind::kBare) return std::make_unique<BareTarget>(world, record);
    auto volume = std::make_unique<VolumeTarget>(world, record, pair_, random_);
    DD_TRY(volume->start());
    return volume;
  }

  // What readers of the volume see after the power came back.
  bool is_whole(const SimImage& image) {
    if (kind_ == Kind::kBare) return true;  // its readers wait for the end
    SimWorld world(image, 4);
    const auto store = SnapStore::open({world.device(1), world.device(0)}, {}, random_);
    if (!store || read_snapshot(**store, world, pair_.from_uuid) != pair_.old_bytes) return false;
    return !(*store)->find(pair_.to_uuid) ||
           read_snapshot(**store, world, pair_.to_uuid) == pair_.new_bytes;
  }

  bool is_copied(SimWorld& world, const Ran& last) {
    Bytes bytes(kSize);
    if (!world.device(0).read_at(0, bytes) || bytes != pair_.new_bytes) return false;
    if (kind_ == Kind::kBare)
      return !last.record.window && last.record.snapshot_uuid == pair_.to_uuid;
    const auto store = SnapStore::open({world.device(1), world.device(0)}, {}, random_);
    return store && read_snapshot(**store, world, pair_.from_uuid) == pair_.old_bytes &&
           read_snapshot(**store, world, pair_.to_uuid) == pair_.new_bytes;
  }

  const Kind kind_;
  const bool is_resync_;
  SeededRandom random_{5};  // of all lives together: no two stores have the same
  Pair pair_;
  SnapshotsInMemory source_;
  SimImage before_;
  TargetState record_;
  Sabotage sabotage_ = Sabotage::kNone;
};

class ReplicaPowerCut : public testing::TestWithParam<std::pair<Kind, bool>> {};

TEST_P(ReplicaPowerCut, AtEveryMomentTheRerunEndsRight) {
  PowerCut session(GetParam().first, GetParam().second);
  SimWorld whole(session.before(), 1);
  const Ran all = session.run_first(whole, {});
  ASSERT_TRUE(all.is_good);
  int cuts = 0;
  Ran first;
  for (std::uint64_t at = 0; at < all.operations; ++at, ++cuts) {
    EXPECT_EQ(session.outcomes_not_mended({.at_operation = at}, at * 7 % all.operations, first), 0)
        << "operation " << at;
    EXPECT_TRUE(first.was_cut) << at;
  }
  for (int at = 0; at < all.stores; ++at)
    for (const bool lands : {false, true}) {
      const Cut cut{.at_store = at, .store_lands = lands};
      EXPECT_EQ(session.outcomes_not_mended(cut, 11, first), 0) << "record " << at << lands;
      EXPECT_TRUE(first.was_cut) << at;
      ++cuts;
    }
  printf("%d cuts\n", cuts);
}

INSTANTIATE_TEST_SUITE_P(
    All, ReplicaPowerCut,
    testing::Values(std::pair{Kind::kBare, false}, std::pair{Kind::kBare, true},
                    std::pair{Kind::kVolume, false}, std::pair{Kind::kVolume, true}),
    [](const auto& info) {
      return std::string(info.param.first == Kind::kBare ? "Device" : "Volume") +
             (info.param.second ? "Resync" : "Changes");
    });

TEST(ReplicaPowerCutItself, SeesWhenAFlushOrTheRecordIsMissing) {
  for (const Sabotage how : {Sabotage::kFlushes, Sabotage::kRecord}) {
    PowerCut session(Kind::kBare, false);
    SimWorld whole(session.before(), 1);
    const Ran all = session.run_first(whole, {});
    session.sabotage(how);
    int broken = 0;
    Ran first;
    for (std::uint64_t at = 0; at < all.operations; ++at)
      broken += session.outcomes_not_mended({.at_operation = at}, UINT64_MAX, first);
    EXPECT_GT(broken, 0) << static_cast<int>(how);
  }
}

}  // namespace
}  // namespace ddsnap::test
