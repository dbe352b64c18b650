// Giving up snapshots that are in use (T6): marked durably, their targets told, their slots kept
// until nobody reads them any longer.
//
// Shape     begin() marks and tells. A snapshot is removed (to "dropped") by finish_ready() once
//           each of its attachments has acknowledged or is gone. The caller waits for that only
//           up to a deadline; what is late stays quarantined and is finished whenever it can be.
// Errors    As the store's.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "ddsnap/base/units.h"
#include "server/session_id.h"
#include "server/volume_parts.h"

namespace ddsnap {

class Dropping {
 public:
  // Takes over the snapshots that were marked before a restart.
  explicit Dropping(VolumeParts parts);

  Status begin(Epoch snapshot, std::uint64_t now_ns);
  // To a target that attached to a snapshot given up meanwhile.
  void tell(SessionId session);
  void on_ack(SessionId session);
  // Takes over what the store has marked by itself (S10), and tells its targets.
  void adopt_marked();
  // Removes what nobody reads any longer, a bounded number. True when something was removed.
  bool finish_ready();
  // finish_ready() has not come to its end.
  bool is_behind() const { return is_behind_; }

  bool is_empty() const { return snapshots_.empty(); }
  // Whether waiting for the snapshot last begun still makes sense.
  bool is_waiting(std::uint64_t now_ns) const;
  std::optional<std::uint64_t> deadline_ns() const;

 private:
  bool has_readers(Epoch snapshot) const;

  VolumeParts parts_;
  std::set<Epoch> snapshots_;
  bool is_behind_ = false;
  std::set<std::uint32_t> acked_;  // attachments that will read no slot again
  Epoch awaited_;
  std::uint64_t awaited_until_ns_ = 0;
};

}  // namespace ddsnap
