// Who may become a target: HELLO and its answer (T2, T4, T8).
//
// Shape     A new target gets a durable attachment before HELLO_OK; a returning one is known by
//           attachment, target uuid and snapshot uuid. A new HELLO with a known target uuid is a
//           target whose HELLO_OK was lost, and gets its old attachment. An attachment has one
//           connection: a newer one replaces the older.
// Errors    kNotFound (unknown attachment or tag), kDropped, kUsage (other devices, mixed modes,
//           a bookmark), kNoSpace (too many attachments); whatever the store says.
// Threads   None inside.
#pragma once

#include <cstdint>

#include "server/dropping.h"
#include "server/origin_watch.h"
#include "server/volume_parts.h"

namespace ddsnap {

class Admission {
 public:
  Admission(VolumeParts parts, Dropping& dropping, OriginWatch& origin_watch)
      : parts_(parts), dropping_(dropping), origin_watch_(origin_watch) {}

  // Requires: no barrier is on; the session is no target yet.
  void on_hello(SessionId session, std::uint64_t request_id, const HelloMessage& hello);

 private:
  Status check_devices(const HelloMessage& hello) const;
  Result<std::uint32_t> admit(const HelloMessage& hello);
  Result<std::uint32_t> admit_returning(const HelloMessage& hello);
  Result<std::uint32_t> admit_new(const HelloMessage& hello);
  Result<BoundaryFacts> find_snapshot(const std::string& tag) const;
  void replace_older_connection(std::uint32_t attachment_id);
  HelloOkMessage welcome(const Attachment& attachment) const;

  VolumeParts parts_;
  Dropping& dropping_;
  OriginWatch& origin_watch_;
};

}  // namespace ddsnap
