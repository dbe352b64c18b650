// Where randomness comes from: the system in programs, a seed in tests and simulations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ddsnap {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void fill(std::span<std::byte> out) = 0;
  std::uint64_t next_u64();
  // Uniform enough for tests and jitter: 0 <= result < bound. Requires: bound > 0.
  std::uint64_t below(std::uint64_t bound) { return next_u64() % bound; }
};

// getrandom(2). Thread-safe.
class SystemRandom final : public RandomSource {
 public:
  void fill(std::span<std::byte> out) override;
};

// splitmix64 (Steele, Lea, Flood 2014): the same seed gives the same sequence on every machine.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::uint64_t state_;
};

}  // namespace ddsnap
