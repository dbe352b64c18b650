// What a volume is told about its surroundings when it is made.
//
// Lifetime  Copied into the volume.
#pragma once

#include <functional>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

class EventRing;

struct VolumeConfig {
  DevicePair pair;         // both known: what a target must name, when it names any
  bool is_direct = false;  // the server's own devices are O_DIRECT (T8)
  std::string origin_path;
  std::string snapstore_path;
  std::string metadata_path;  // empty: on the snapstore
  // The administrator's order to open the origin although its store is dead: the store here is an
  // empty stand-in, and nothing of it is kept (S10).
  bool is_without_store = false;
  // What GET_EVENTS is answered from; borrowed. May be null: nothing is remembered.
  const EventRing* events = nullptr;
  // Looks again how large the devices are. May be empty: they never change.
  std::function<Status()> refresh_devices = {};
  // Keeps durably, outside a store that takes no more writes, that it is closed. May be empty.
  std::function<Status(const std::string& why)> keep_closed_note;
};

}  // namespace ddsnap
