// Tells when the snapstore is nearly full, before anything must be given up for it.
//
// Units     Percent used, of the slots, and of the metadata's blocks less what is kept for making
//           room (S9).
// Shape     Two shares are set (StoreSettings). Reaching one is logged once; it is forgotten when
// the
//           use has fallen some percent below it.
// Threads   None inside.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "ddsnap/base/log.h"
#include "server/store/snap_store.h"

namespace ddsnap {

// What of it status should tell now.
std::vector<std::string> room_warnings(const SnapStore& store);

class RoomWatch {
 public:
  RoomWatch(const SnapStore& store, LogSink& log) : store_(store), log_(log) {}

  // Cheap: to be called after everything that may have used room.
  void look();

 private:
  const SnapStore& store_;
  LogSink& log_;
  std::array<std::size_t, 2> told_ = {};  // how many of the shares, of slots and of metadata
};

}  // namespace ddsnap
