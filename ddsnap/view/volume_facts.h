// All that can be known of a volume at one time, gathered for whoever shows it: status, metrics,
// the page.
//
// Units     As in the messages; seconds since 1970 of copies.
// Shape     A volume whose server does not answer is a volume still: what is known of its copies is
//           told, and `unreachable` says why the rest is empty.
// Errors    volume_names(): kUsage where there is nothing to look at.
// Threads   Plain values and functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

struct VolumeName {
  std::string name;  // of its configuration, else the last part of the server's address
  std::string server;

  bool operator==(const VolumeName&) const = default;
};

// What a job remembers of a target, or of the inbox.
struct CopyFacts {
  std::string config;
  std::string label;  // of the target; empty: the inbox
  std::uint32_t period_s = 0;
  std::int64_t last_try_s = 0;  // 0: never
  std::int64_t last_success_s = 0;
  std::string last_error;   // of the last try; empty: it went well
  std::string tag;          // of the copy
  std::int64_t made_s = 0;  // when that snapshot was made: so old is the copy; 0: there is none

  std::optional<std::int64_t> lag_s(std::int64_t now_s) const;
};

struct VolumeFacts {
  VolumeName volume;
  std::optional<Error> unreachable;
  ServerStatusMessage status;
  std::vector<SnapshotEntry> snapshots;  // oldest first
  std::vector<SpaceEntry> space;
  std::vector<TargetEntry> targets;
  EventListMessage events;  // the newest part
  std::vector<CopyFacts> copies;

  std::uint64_t chunk_bytes() const { return std::uint64_t{1} << status.chunk_shift; }
  std::uint64_t slots_used() const { return status.slots_total - status.slots_free; }
  double store_share() const;
  double metadata_share() const;
  SpaceEntry space_of(Epoch epoch) const;  // zeros: it came or went meanwhile
  bool is_damaged() const;                 // something of what snapshots held is lost
};

// These servers, or where none is named those of all configurations.
Result<std::vector<VolumeName>> volume_names(const std::vector<std::string>& servers,
                                             const std::string& config_folder);
// The configurations in the folder that name this server; wrong ones are `config check`'s to tell.
std::vector<JobConfig> configs_of_server(const std::string& config_folder,
                                         const std::string& server);
VolumeFacts read_volume(const VolumeName& volume, const std::string& config_folder);
// The same through a connection that is there.
Status read_volume_into(VolumeFacts& facts, ServerClient& client);

}  // namespace ddsnap
