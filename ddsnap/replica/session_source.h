// Where a session sends from: a volume with its snapshots.
//
// Errors    As the server says.
// Threads   One at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/changelist.h"
#include "ddsnap/io/block_device.h"

namespace ddsnap {

struct SourceSnapshot {
  Uuid uuid;
  std::string tag;
  bool has_data = true;  // else it is good to begin at, not to end at
};

class SessionSource {
 public:
  virtual ~SessionSource() = default;
  virtual const std::string& name() const = 0;
  // Of whole volumes: what a resync compares.
  virtual unsigned chunk_shift() const = 0;
  // Oldest first.
  virtual Result<std::vector<SourceSnapshot>> snapshots() = 0;
  virtual Result<Changelist> changelist(const std::string& from_tag, const std::string& to_tag) = 0;
  virtual Result<std::unique_ptr<BlockDevice>> open(const std::string& tag) = 0;
};

// The volume of the server at this socket.
Result<std::unique_ptr<SessionSource>> open_server_source(const std::string& server);

}  // namespace ddsnap
