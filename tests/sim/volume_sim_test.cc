// Shows that a whole volume keeps its promises: the real server over simulated disks, with model
// targets and users, from one seed each; power cuts at any device operation, also inside recovery,
// merge and delete; I/O errors; lost lines; killed, stalled and late targets; a full store. What is
// checked is said in tests/support/sim_truth.h.
//
// DDSNAP_SIM_SECONDS=N runs seeds, from DDSNAP_SIM_FIRST (or 1000) on, for that long;
// DDSNAP_SIM_SEEDS=FIRST-LAST runs those; DDSNAP_SIM_SEED=N replays one and tells what happens.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <string>

#include "tests/support/keep_memory.h"
#include "tests/support/volume_sim.h"

namespace ddsnap::test {
namespace {

constexpr std::uint64_t kOperations = 3000;  // of a seed
#ifdef DDSNAP_SANITIZED
constexpr std::uint64_t kShortSeeds = 8;
#else
constexpr std::uint64_t kShortSeeds = 32;
#endif

// A failed check of the product's own ends the process: the seed is told first.
char g_running[64];
extern "C" void tell_seed(int) {
  static_cast<void>(!::write(STDERR_FILENO, g_running, std::strlen(g_running)));
}

VolumeSimResult run_seed(std::uint64_t seed, bool is_verbose) {
  std::snprintf(g_running, sizeof g_running, "the seed was %llu\n",
                static_cast<unsigned long long>(seed));
  std::signal(SIGABRT, tell_seed);
  VolumeSimResult result;
  try {
    result = run_volume_sim(seed, kOperations, is_verbose);
  } catch (const std::exception& thrown) {
    result.wrong = thrown.what();
  }
  std::signal(SIGABRT, SIG_DFL);
  return result;
}

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t last = kShortSeeds;
  double seconds = 0;  // 0: all seeds
};

Seeds wanted_seeds() {
  Seeds seeds;
  if (const char* text = std::getenv("DDSNAP_SIM_SEEDS"); text != nullptr && *text != 0) {
    unsigned long long first = 0;
    unsigned long long last = 0;
    if (std::sscanf(text, "%llu-%llu", &first, &last) == 2) return {first, last, 0};
  }
  if (const std::uint64_t seconds = number_of("DDSNAP_SIM_SECONDS", 0); seconds != 0)
    return {number_of("DDSNAP_SIM_FIRST", 1000), UINT64_MAX, static_cast<double>(seconds)};
  return seeds;
}

TEST(VolumeSim, NoSeedBreaksAPromise) {
  keep_freed_memory();
  if (const std::uint64_t seed = number_of("DDSNAP_SIM_SEED", 0); seed != 0) {
    const VolumeSimResult result = run_seed(seed, true);
    std::printf("%s", result.tally.to_text().c_str());
    ASSERT_EQ(result.wrong, "") << "seed " << seed;
    return;
  }
  const Seeds seeds = wanted_seeds();
  const auto started = std::chrono::steady_clock::now();
  const auto seconds_gone = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  };
  SimTally all;
  std::string wrong;
  std::uint64_t seed = seeds.first;
  for (; seed <= seeds.last && (seeds.seconds == 0 || seconds_gone() < seeds.seconds); ++seed) {
    const VolumeSimResult result = run_seed(seed, false);
    all.add(result.tally);
    wrong = result.wrong;
    if (!wrong.empty()) break;
  }
  const double cpu_seconds = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  const auto operations = static_cast<double>(all.operations());
  std::printf("%s", fmt::format("seeds from {} up to, and without, {}: {:.1f} s, {:.0f} operations "
                                "a second; of a processor {:.1f} s, {:.0f} a second\n{}",
                                seeds.first, seed, seconds_gone(), operations / seconds_gone(),
                                cpu_seconds, operations / cpu_seconds, all.to_text())
                        .c_str());
  ASSERT_EQ(wrong, "") << "seed " << seed << " (seed number " << seed - seeds.first + 1
                       << "); replay: make sim SEED=" << seed;
}

}  // namespace
}  // namespace ddsnap::test
