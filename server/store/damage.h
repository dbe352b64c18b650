// What a check finds: things on the devices that are not what was written, and which chunks of
// which snapshots they hurt.
//
// Shape     A finding is a sentence about a place. What it hurts is told apart from it, since one
//           place can hurt many snapshots and one chunk can be hurt twice: chunks that are not
//           readable in any snapshot from `oldest` to `newest`, except where a snapshot has a
//           private copy, which is told as kShielded.
// Threads   Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/units.h"

namespace ddsnap {

enum class DamageKind : std::uint8_t {
  kHurt = 1,         // no text: chunks that snapshots cannot read
  kHurtPrivate = 2,  // no text: the same in what was written to one snapshot itself
  kShielded = 3,     // no text: chunks that one snapshot has of its own, and so does not read
  kSuperblock = 4,
  kManifest = 5,
  kJournal = 6,
  kChangeMap = 7,
  kTable = 8,
  kSlot = 9,
  kDevice = 10,
};

struct Damage {
  DamageKind kind = DamageKind::kHurt;
  std::string text;  // a finding's sentence
  // kHurt*, kShielded only
  Epoch oldest;
  Epoch newest;
  std::uint64_t first_chunk = 0;
  std::uint64_t end_chunk = 0;  // 2^32 at the latest

  bool is_finding() const { return kind >= DamageKind::kSuperblock; }
};

// Where a check stands. A check begins with the default and goes on with what the last piece gave.
struct CheckCursor {
  enum class Phase : std::uint8_t {
    kSuperblocks = 1,
    kManifest = 2,  // a: block of both its copies
    kJournal = 3,   // a, b, c: offset, number and checksum of the record before; b 0: the first
    kTables = 4,    // a: epoch, downwards; b: which of its blocks
    kLost = 5,      // a: epoch, downwards
    kSlots = 6,     // a: epoch, downwards; b: 1 private; c: chunk
  };
  Phase phase = Phase::kSuperblocks;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t c = 0;
};

struct CheckPiece {
  std::vector<Damage> damages;
  std::uint64_t bytes_read = 0;
  std::uint64_t blocks_checked = 0;  // of metadata
  std::uint64_t slots_checked = 0;
  std::optional<CheckCursor> next;  // none: all is checked
};

}  // namespace ddsnap
