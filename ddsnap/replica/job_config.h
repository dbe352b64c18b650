// What an administrator says of one volume in /etc/ddsnap/NAME.conf: which server has it, which
// snapshots to keep, where copies go, and where they come in; of a volume of this host also what it
// is made of. JOBS.md has a table of all keys.
//
//     [volume]                              [target office]
//     server = /run/ddsnap/vol0.server      transport = ssh          ; rsync, tcp
//                                           host = backup.example.org
//     [keep]                                remote = /run/ddsnap/vol0.server
//     hourly = 24                           period = 1h
//     daily = 7                             rate-limit = 10M
//     every 15m = 8
//                                           [inbox]
//                                           folder = /var/spool/ddsnap/vol0
//
// Units     Times in seconds; sizes in bytes a second.
// Errors    kNotFound when there is no such file; kUsage for whatever in it is not understood: a
//           name that nobody knows is named, with those that would be.
// Threads   Plain functions.
// Source    INI as Boost.PropertyTree reads it: `;` begins a comment line.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnap/base/limits.h"
#include "ddsnap/base/result.h"
#include "ddsnap/replica/retention.h"

namespace ddsnap {

struct TargetConfig {
  enum class Transport : std::uint8_t { kRsync, kSsh, kTcp };

  std::string label;
  Transport transport = Transport::kRsync;
  std::string host;     // empty: this machine; tcp: HOST[:PORT]
  std::string remote;   // the far side's inbox (rsync), server socket or device (ssh), name (tcp)
  std::string ssh;      // the command that reaches the host
  std::string program;  // ddsnap, there
  std::string key, certificate, authority;  // tcp: files, as TlsFiles
  std::uint32_t period_s = 3600;
  std::uint64_t rate_limit_bytes = 0;       // 0: none
  std::uint32_t backlog = kDefaultBacklog;  // rsync: so many deltas wait for the other side at most
  std::uint64_t backlog_bytes = 0;          // and one more than so large they are; 0: no limit
  bool resyncs = false;                     // ssh, tcp: compare all where changes cannot be sent
  std::uint32_t audit_parts = 168;          // ssh, tcp: a run audits one of so many parts; 0: none
};

// How the listener that we start by ssh calls the volume.
inline constexpr const char* kWireVolume = "volume";

struct InboxConfig {
  std::string folder;                // empty: there is none
  std::string archive;               // empty: deltas that were applied are deleted
  bool puts_strangers_back = false;  // as `receive --force-revert`
};

// What `ddsnap volume` brings a volume of this host up from.
struct LocalVolumeConfig {
  std::string origin;     // empty: the server runs elsewhere, or somebody else starts it
  std::string snapstore;  // told together with the origin
  std::string metadata;   // empty: on the snapstore
  std::string control = "/run/ddsnap/control";  // of the agent
  std::string device = "auto";  // how /dev/mapper/NAME comes about; none: not at all
};

struct JobConfig {
  std::string name;
  std::string server;
  LocalVolumeConfig local;
  std::string state_folder;         // default: /var/lib/ddsnap/NAME
  std::string pre, post;            // commands around a snapshot
  std::vector<std::string> freeze;  // where file systems are mounted that it is to find at rest
  bool takes_snapshots = true;      // no: they come from upstream
  std::vector<RetentionRule> keep;
  std::vector<TargetConfig> targets;
  InboxConfig inbox;
};

inline constexpr const char* kDefaultConfigFolder = "/etc/ddsnap";
// $DDSNAP_CONFIG_DIR, where that is set: without root, and in tests.
std::string default_config_folder();

Result<JobConfig> load_job_config(const std::string& folder, const std::string& name);
Result<JobConfig> parse_job_config(std::istream& text, const std::string& name);
// "90s", "15m", "1h", "7d"; a plain number counts seconds. Above zero.
Result<std::uint32_t> parse_duration_s(std::string_view text);
// The names of all volumes that a folder has a file of, in order.
Result<std::vector<std::string>> config_names(const std::string& folder);

}  // namespace ddsnap
