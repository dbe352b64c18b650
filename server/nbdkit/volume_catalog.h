// What the plugin asks the server by itself: which snapshots there are, and what changed between
// two.
//
// Errors    As Connection; kDamaged when a changelist does not fit together.
// Threads   A plain value; used by one thread.
#pragma once

#include <string>
#include <vector>

#include "ddsnap/target/server_finder.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

class VolumeCatalog {
 public:
  static Result<VolumeCatalog> connect(const ServerPlace& place);

  Result<std::vector<SnapshotEntry>> snapshots();
  struct Changelist {
    Uuid from_uuid;
    Uuid to_uuid;
    std::vector<ChunkRange> changed;  // ascending, apart from each other
  };
  Result<Changelist> changelist(const std::string& from_tag, const std::string& to_tag);

 private:
  explicit VolumeCatalog(std::shared_ptr<Connection> connection)
      : connection_(std::move(connection)) {}

  std::shared_ptr<Connection> connection_;  // as ServerFinder hands it out
};

}  // namespace ddsnap
