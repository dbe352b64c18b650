// Where a stream of replication begins: a volume with a server, read through its snapshots.
//
// Shape     A delta between the same two snapshots is the same delta, with the same uuid, however
//           often it is made: so what was interrupted goes on. From a bookmark, whose data is gone,
//           the delta is raw, and its base is proven by the uuid.
// Errors    kNotFound for a snapshot that is not there, or whose data is not; as create_delta().
// Threads   One by one; write_delta() makes its own and ends them.
// Lifetime  Connections and targets live for a call each: the server may restart between two.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/delta/create_delta.h"
#include "ddsnap/io/block_device.h"
#include "ddsnap/replica/held_snapshot.h"

namespace ddsnap {

struct StreamOptions {
  CodecChoice codec;
  std::uint32_t frame_data_bytes = kFrameDataBytes;
};

class Upstream {
 public:
  // `server`: its socket.
  static Result<Upstream> open(const std::string& server);

  const std::string& name() const { return server_; }
  // Oldest first, bookmarks among them.
  Result<std::vector<HeldSnapshot>> held() const;
  Result<HeldSnapshot> find(const std::string& tag) const;
  // Without a from: one that names everything.
  Result<Changelist> changelist(const std::string& from_tag, const HeldSnapshot& to) const;
  Result<std::unique_ptr<BlockDevice>> open_snapshot(const HeldSnapshot& snapshot) const;

  // `from_tag` may be empty: a full delta.
  Result<CreateDeltaReport> write_delta(const std::string& from_tag, const std::string& to_tag,
                                        const StreamOptions& options, ByteSink& sink,
                                        WorkContext& context) const;

 private:
  explicit Upstream(std::string server) : server_(std::move(server)) {}
  const std::string server_;
};

// The uuid that the delta of this list, made this way, always has.
Uuid delta_uuid_of(const Changelist& list, const CreateDeltaOptions& options);

}  // namespace ddsnap
