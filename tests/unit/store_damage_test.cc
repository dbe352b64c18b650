// Shows that damage to a snapstore is always reported and never served: bits are flipped in
// metadata blocks and slots, blocks are zeroed, swapped with others and replaced by what lay there
// earlier, devices are cut short. A check then finds damage and names what it hurts, or the case
// is proven harmless: everything reads as the model has it. No read is ever wrong, before or after
// a repair; a check changes nothing; and a repaired store opens with every chunk that the check did
// not call hurt.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/support/damaged_store.h"
#include "tests/support/keep_memory.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kBlock = 4096;

using Place = DamagePlace;
using Spoil = void (*)(StoreBytes&, const Place&, const StoreHistory&, RandomSource&);

void flip_a_bit(StoreBytes& bytes, const Place& place, const StoreHistory&, RandomSource& random) {
  auto content = bytes_at(bytes, place);
  content[random.below(content.size())] ^= std::byte(1u << random.below(8));
  put_bytes(bytes, place, content);
}
void flip_an_early_bit(StoreBytes& bytes, const Place& place, const StoreHistory&,
                       RandomSource& random) {
  auto content = bytes_at(bytes, place);
  content[random.below(120)] ^= std::byte(1u << random.below(8));
  put_bytes(bytes, place, content);
}
void zero(StoreBytes& bytes, const Place& place, const StoreHistory&, RandomSource&) {
  put_bytes(bytes, place, std::vector<std::byte>(place.length_bytes));
}
void swap_with_next(StoreBytes& bytes, const Place& place, const StoreHistory&, RandomSource&) {
  Place next = place;
  next.offset_bytes += place.length_bytes;
  if (next.offset_bytes + next.length_bytes > bytes.devices[place.device].size()) return;
  const auto one = bytes_at(bytes, place);
  put_bytes(bytes, place, bytes_at(bytes, next));
  put_bytes(bytes, next, one);
}
void replay_old(StoreBytes& bytes, const Place& place, const StoreHistory& history,
                RandomSource& random) {
  put_bytes(bytes, place, bytes_at(history.before[random.below(history.before.size())], place));
}

// Some of them: the journal has many units, and the snapstore many slots.
std::vector<Place> places_of(const StoreHistory& history, RandomSource& random) {
  std::vector<Place> places = damage_places(history);
  std::erase_if(places, [&](const Place& place) {
    const bool is_slot = place.device == 0 && place.offset_bytes >= (1u << 20);
    return (place.length_bytes == 512 && random.below(8) != 0) ||
           (is_slot && random.below(16) != 0);
  });
  return places;
}

// By its length: nothing else is damaged in pieces of this size.
bool is_journal(const Place& place) {
  return place.length_bytes == 512;
}
bool is_hurting(const CheckVerdict& verdict) {
  return verdict.fatal || std::ranges::any_of(verdict.hurt, [](const auto& snapshot) {
           return !snapshot.second.empty();
         });
}

struct Tally {
  int cases = 0, harmless = 0, fatal = 0, hurt = 0;
  bool is_last_hurting = false;
};

// Empty: all that this test shows holds for this damaged copy.
std::string wrong_with(const StoreBytes& damaged, const Model& model, Tally& tally) {
  ++tally.cases;
  StoreCopy looked_at(damaged);
  SeededRandom random(7);
  auto inspection =
      StoreInspection::open(looked_at.devices(), {.gives_up_unreadable = true}, random);
  CheckVerdict verdict;
  if (!inspection) verdict.fatal = inspection.error();
  if (inspection) verdict = check_all(**inspection);
  tally.is_last_hurting = is_hurting(verdict);
  for (std::size_t i = 0; i < damaged.devices.size(); ++i)
    if (!(looked_at.bytes().devices[i] == damaged.devices[i])) return "the check wrote something";

  StoreCopy opened(damaged);
  auto store = SnapStore::open(opened.devices(), {}, random);
  if (store) {
    // Damage to slots does not keep a store from opening.
    if (auto wrong = wrong_reads(**store, opened.devices(), model, verdict); !wrong.empty())
      return "opened: " + wrong;
  }
  if (verdict.is_clean()) {
    ++tally.harmless;
    if (!store) return "clean, but it does not open: " + store.error().message();
    return check_store(**store, opened.devices().snapstore, opened.devices().origin, model, true);
  }
  if (verdict.fatal) {
    ++tally.fatal;
    if (store) return "cannot be checked, but opens: " + verdict.fatal->message();
    return verdict.fatal->code == ErrorCode::kDamaged ? "" : verdict.fatal->message();
  }
  ++tally.hurt;
  if (const Status repaired = (*inspection)->repair(); !repaired)
    return "repair: " + repaired.error().message();
  inspection->reset();
  auto again = SnapStore::open(looked_at.devices(), {}, random);
  if (!again) return "repaired, but it does not open: " + again.error().message();
  if (auto wrong = wrong_reads(**again, looked_at.devices(), model, verdict); !wrong.empty())
    return "repaired: " + wrong;
  again->reset();
  const CheckVerdict later = check_copy(looked_at.bytes());
  if (later.fatal || !later.findings.empty()) return "repaired, but damage is found again";
  if (later.hurt != verdict.hurt) return "repaired, but other chunks are hurt";
  return {};
}

class StoreDamage : public ::testing::TestWithParam<std::tuple<bool, Ending>> {
 protected:
  static void SetUpTestSuite() { keep_freed_memory(); }
};

TEST_P(StoreDamage, IsReportedAndNeverServedAndRepaired) {
  const auto [is_split, ending] = GetParam();
  Tally tally;
  const std::uint64_t seed = is_split ? 1 : 2;
  const StoreHistory history = make_history(seed, is_split, ending);
  SeededRandom random(seed);
  const CheckVerdict whole = check_copy(history.now);
  ASSERT_TRUE(whole.is_clean()) << (whole.fatal ? whole.fatal->message() : whole.findings[0]);
  const std::pair<const char*, Spoil> spoils[] = {{"a bit flipped", flip_a_bit},
                                                  {"an early bit flipped", flip_an_early_bit},
                                                  {"zeroed", zero},
                                                  {"swapped with the next", swap_with_next},
                                                  {"replaced by an old one", replay_old}};
  for (const Place& place : places_of(history, random))
    for (const auto& [name, spoil] : spoils) {
      StoreBytes damaged = history.now;
      spoil(damaged, place, history, random);
      ASSERT_EQ(wrong_with(damaged, history.model, tally), "")
          << "seed " << seed << ": device " << place.device << " at " << place.offset_bytes << " "
          << name;
      ASSERT_FALSE(is_journal(place) && tally.is_last_hurting)
          << "one bad place in one ring at " << place.offset_bytes << " " << name;
    }
  // Both rings of the journal at the same place.
  for (const Place& place : places_of(history, random)) {
    const auto twin = twin_of(history, place);
    if (!twin) continue;
    StoreBytes damaged = history.now;
    flip_a_bit(damaged, place, history, random);
    flip_a_bit(damaged, *twin, history, random);
    ASSERT_EQ(wrong_with(damaged, history.model, tally), "")
        << "seed " << seed << ": both rings at " << place.offset_bytes;
  }
  // One bad place, wherever it is, is never beyond repair.
  EXPECT_EQ(tally.fatal, 0);
  std::printf("%d cases: %d harmless, %d repaired\n", tally.cases, tally.harmless, tally.hurt);
}

// Several places at once.
TEST_P(StoreDamage, OfManyPlacesAtOnceIsNeverServed) {
  const auto [is_split, ending] = GetParam();
  Tally tally;
  const StoreHistory history = make_history(3, is_split, ending);
  SeededRandom random(3);
  const auto places = places_of(history, random);
  for (int i = 0; i < 60; ++i) {
    StoreBytes damaged = history.now;
    for (int n = 0; n < 6; ++n) {
      const Place& place = places[random.below(places.size())];
      flip_a_bit(damaged, place, history, random);
    }
    ASSERT_EQ(wrong_with(damaged, history.model, tally), "") << "round " << i;
  }
}

// The same places under a store that is open: it has all it needs in memory, and reads again what
// is on the devices.
TEST_P(StoreDamage, IsFoundByAnOpenStoreToo) {
  const auto [is_split, ending] = GetParam();
  const StoreHistory history = make_history(5, is_split, ending);
  SeededRandom random(5);
  int found = 0;
  StoreCopy copy(history.now);
  auto store = *SnapStore::open(copy.devices(), {}, random);
  const StoreBytes whole = copy.bytes();
  const auto check = [&] {
    std::vector<std::string> findings;
    for (std::optional<CheckCursor> at = CheckCursor{}; at;) {
      const CheckPiece piece = store->check_piece(*at);
      for (const Damage& damage : piece.damages)
        if (damage.is_finding()) findings.push_back(damage.text);
      at = piece.next;
    }
    return findings;
  };
  ASSERT_EQ(check(), std::vector<std::string>{});
  const StoreHistory opened{whole, {}, history.model};
  for (const Place& place : places_of(opened, random)) {
    StoreBytes damaged = whole;
    flip_a_bit(damaged, place, history, random);
    copy.set_bytes(damaged);
    // What an offline check finds damaged in these very bytes, the open store finds, too.
    if (!check_copy(damaged).is_clean()) {
      ++found;
      EXPECT_FALSE(check().empty()) << "device " << place.device << " at " << place.offset_bytes;
    }
    copy.set_bytes(whole);
  }
  EXPECT_EQ(check(), std::vector<std::string>{});
  EXPECT_GT(found, 10);
}

TEST_P(StoreDamage, OfDevicesThatWereCutShortIsReported) {
  const auto [is_split, ending] = GetParam();
  const StoreHistory history = make_history(4, is_split, ending);
  for (std::size_t device = 0; device < history.now.devices.size(); ++device) {
    if (device == 1) continue;
    const std::uint64_t size = history.now.devices[device].size();
    for (const std::uint64_t kept :
         {std::uint64_t{0}, std::uint64_t{512}, size / 4, size / 2, size - kBlock}) {
      StoreBytes damaged = history.now;
      CowBytes shorter(kept);
      std::vector<std::byte> content(kept);
      history.now.devices[device].read(0, content);
      shorter.write(0, content);
      damaged.devices[device] = shorter;
      EXPECT_FALSE(check_copy(damaged).is_clean()) << device << " " << kept;
      StoreCopy copy(damaged);
      SeededRandom random(1);
      EXPECT_FALSE(SnapStore::open(copy.devices(), {}, random));
      auto inspection = StoreInspection::open(copy.devices(), {}, random);
      if (inspection) {
        EXPECT_FALSE((*inspection)->repair());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, StoreDamage,
                         ::testing::Combine(::testing::Bool(),
                                            ::testing::Values(Ending::kClosed, Ending::kQuiet)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "Split" : "OneDevice") +
                                  (std::get<1>(info.param) == Ending::kClosed ? "Closed" : "Quiet");
                         });

}  // namespace
}  // namespace ddsnap::test
