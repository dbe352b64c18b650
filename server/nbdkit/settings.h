// The plugin's parameters, after they were checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ddsnap/target/target_options.h"

namespace ddsnap {

struct PluginSettings {
  std::string snapstore;
  std::string origin;
  std::string control;
  std::string server;
  std::optional<std::uint64_t> timeout_ms;
  DevicePair pair;  // of snapstore and origin

  ServerPlace place() const { return {control, server, pair}; }
};

// For a target of ours; its parked I/O gives up when nbdkit shuts down or the client is gone.
TargetOptions target_options(const PluginSettings& settings);

// Whether the calling nbdkit thread's request has nobody left to wait for it.
bool is_request_abandoned();

}  // namespace ddsnap
