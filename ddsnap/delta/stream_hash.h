// Hashes over bytes that come in pieces: XXH3-128, and XXH3-64 with a salt.
//
// Threads   A plain value; may be moved, not copied.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "ddsnap/base/hash.h"
#include "ddsnap/base/result.h"

namespace ddsnap {

class StreamHash {
 public:
  StreamHash() : state_(XXH3_createState()) {
    DD_CHECK(state_ != nullptr);
    reset();
  }
  void reset() { XXH3_128bits_reset(state_.get()); }
  void update(std::span<const std::byte> bytes) {
    if (!bytes.empty()) XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }
  // Of all bytes so far.
  Hash128 digest() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
    Hash128 hash;
    std::memcpy(hash.bytes.data(), canonical.digest, sizeof canonical.digest);
    return hash;
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

// Gives what checksum_of() gives for all of them together.
class SaltedHash {
 public:
  explicit SaltedHash(std::uint64_t seed) : state_(XXH3_createState()) {
    DD_CHECK(state_ != nullptr);
    XXH3_64bits_reset_withSeed(state_.get(), seed);
  }
  void update(std::span<const std::byte> bytes) {
    if (!bytes.empty()) XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
  }
  std::uint64_t digest() const { return XXH3_64bits_digest(state_.get()); }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

}  // namespace ddsnap
