// A store that no server runs on, looked at without changing it: what check and repair begin with.
//
// Shape     Loads all metadata as recovery would and judges the journal's end as recovery would
//           (S2), but where something is damaged it notes so and goes on with what is left;
//           check_piece() then verifies the slots. repair() makes what was loaded durable.
// Errors    open(): kNotInitialized, kVersion, kUsage as SnapStore::open(); kDamaged where nothing
//           can be told any more: none of three superblock copies, or none of two manifests. kIo
//           where metadata cannot be read and gives_up_unreadable is not set.
// Threads   None inside.
// Lifetime  Borrows devices and random source.
// Source    SNAPSTORE.md, section 7.1.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/store/damage.h"
#include "server/store/snap_store.h"

namespace ddsnap {

class StoreInspection {
 public:
  struct Options {
    bool gives_up_unreadable = false;  // metadata that cannot be read counts as damaged
  };
  // An origin of no bytes stands for one that is not known: kUsage where it must be.
  static Result<std::unique_ptr<StoreInspection>> open(const StoreDevices& devices,
                                                       const Options& options,
                                                       RandomSource& random);
  ~StoreInspection();

  const StoreFacts& facts() const;
  std::vector<BoundaryFacts> boundaries() const;
  // What reading the metadata found.
  const std::vector<Damage>& found() const;
  // Where the check of the rest begins.
  static CheckCursor first_piece() { return {.phase = CheckCursor::Phase::kLost, .a = UINT64_MAX}; }
  CheckPiece check_piece(const CheckCursor& from);

  // Makes durable what open() loaded, without the slots that check_piece() found wrong: from then
  // on SnapStore::open() opens it, what is whole reads as before, and what is lost is known as
  // lost. All at once: a cut on the way leaves the store no more damaged than it was. kDamaged
  // where the snapstore is shorter than its store, or where nothing shows that it is that store's.
  Status repair();
  // After repair(): gives up a snapshot's data, as the full-store policy does. kBusy when a target
  // is attached to it.
  Status give_up(Epoch snapshot);

 private:
  StoreInspection();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace ddsnap
