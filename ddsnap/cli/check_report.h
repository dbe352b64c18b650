// What a check found, put together by snapshot: which of its byte ranges cannot be read.
//
// Units     Chunks in, bytes out.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <roaring/roaring.hh>
#include <string>
#include <vector>

#include "ddsnap/base/uuid.h"
#include "server/store/damage.h"

namespace ddsnap {

// A snapshot that has its data.
struct CheckedSnapshot {
  Epoch epoch;
  Uuid uuid;
  std::string tag;
  std::uint64_t size_bytes = 0;
};

class CheckReport {
 public:
  CheckReport(const Uuid& store, unsigned chunk_shift) : store_(store), chunk_shift_(chunk_shift) {}

  void add(const Damage& damage);
  void add(const CheckPiece& piece);
  // Those there are at the end of the check.
  void set_snapshots(std::vector<CheckedSnapshot> snapshots) { snapshots_ = std::move(snapshots); }

  const std::vector<std::string>& findings() const { return findings_; }
  // No finding, and every snapshot whole.
  bool is_clean() const;
  std::vector<ByteRange> hurt_ranges(const CheckedSnapshot& snapshot) const;
  std::vector<CheckedSnapshot> hurt_snapshots() const;

  nlohmann::ordered_json to_json() const;
  std::string to_text() const;

 private:
  using Epochs = std::pair<Epoch, Epoch>;  // oldest, newest

  Uuid store_;
  unsigned chunk_shift_;
  std::vector<CheckedSnapshot> snapshots_;
  std::vector<std::string> findings_;
  std::map<Epochs, Roaring> hurt_;
  std::map<Epoch, Roaring> hurt_privately_;
  std::map<Epoch, Roaring> shielded_;
  std::uint64_t blocks_checked_ = 0;
  std::uint64_t slots_checked_ = 0;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace ddsnap
