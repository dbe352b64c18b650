// What a userspace target is told at its birth.
#pragma once

#include <string>

#include "ddsnap/io/io_engine.h"
#include "ddsnap/target/parking.h"
#include "ddsnap/target/server_link.h"

namespace ddsnap {

struct TargetOptions {
  LinkOptions link;
  ParkingOptions parking;
  // Paths of our own; empty: those that the server tells.
  std::string origin_path;
  std::string snapstore_path;
  // How a snapshot target reads its devices. kSync serves many threads of small requests; who reads
  // long batches wants many in flight.
  IoEngineKind engine = IoEngineKind::kSync;
};

}  // namespace ddsnap
