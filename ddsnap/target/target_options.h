// What a userspace target is told at its birth.
#pragma once

#include <string>

#include "ddsnap/target/parking.h"
#include "ddsnap/target/server_link.h"

namespace ddsnap {

struct TargetOptions {
  LinkOptions link;
  ParkingOptions parking;
  // Paths of our own; empty: those that the server tells.
  std::string origin_path;
  std::string snapstore_path;
};

}  // namespace ddsnap
