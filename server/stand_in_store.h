// What stands for a dead snapstore while the administrator's order opens the origin without it
// (S10): an empty store in memory, whose grants are for the whole volume.
//
// Lifetime  Borrows the origin. Nothing of it outlives the process.
#pragma once

#include <memory>

#include "ddsnap/io/file_device.h"
#include "server/store/snap_store.h"

namespace ddsnap {

class StandInStore {
 public:
  // With the uuid and the chunk size of the store that it stands for, where those are known, so
  // that its targets come back to it.
  static Result<StandInStore> make(BlockDevice& origin, const StoreFormat& format,
                                   RandomSource& random);
  SnapStore& store() { return *store_; }

 private:
  StandInStore() = default;
  std::unique_ptr<FileDevice> memory_;
  std::unique_ptr<SnapStore> store_;
};

}  // namespace ddsnap
