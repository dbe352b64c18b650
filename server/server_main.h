// One server process: from its options to a clean stop.
//
// Shape     Lock the devices, recover the store, listen, register with the agent, and only then be
//           ready. Returns after SIGTERM or SIGINT. Not in the foreground, the caller's process
//           ends within, as soon as the daemon is ready or has failed.
// Errors    kUsage (bad combinations, files on the origin), kNotInitialized, kBusy (a running
//           server), kDamaged, and what devices and sockets say. Once ready, into the log.
// Threads   Call before any thread is made.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/result.h"
#include "ddsnap/io/file_device.h"
#include "server/store/ladder.h"

namespace ddsnap {

struct ServerOptions {
  std::string snapstore;
  std::string origin;
  std::string metadata;  // empty: on the snapstore
  std::string control;   // the agent's socket
  std::string socket;    // the server's own
  bool is_foreground = false;
  std::string log;       // empty: stderr in the foreground, else kDefaultServerLog if writable
  std::string pid_file;  // empty: none
  std::size_t cache_bytes = kDefaultCacheBytes;
  FileOptions::Caching direct = FileOptions::Caching::kAuto;
  // Settings that are kept in the store; none: as they are there.
  std::optional<OnStoreFailure> on_store_failure;
  std::optional<std::array<std::uint8_t, 2>> warn_percent;
  // The administrator's orders after a fall (S10); not both.
  bool must_resume = false;
  bool is_without_store = false;
};

inline constexpr const char* kDefaultServerLog = "/var/log/ddsnap.server.log";

Status run_server(ServerOptions options);

}  // namespace ddsnap
