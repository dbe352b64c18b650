// A device at the other end of an NBD connection.
//
// Units     Bytes, on the server's minimum block; 1 where the server names none.
// Shape     One connection, up to kIoQueueDepth commands in flight. Requests longer than the
//           protocol's or the server's maximum are cut into pieces.
// Errors    open(): kDisconnected when nobody answers or the server refuses. A lost connection
//           fails all that is in flight with kDisconnected, and everything after: it is not taken
//           up again. What the server answers is kIo or kNoSpace with its errno.
// Durable   flush() is NBD_CMD_FLUSH. A server that does not offer it says that it has no cache,
//           and then flush() has nothing to do.
// Threads   Safe from several threads, which take turns.
// Source    The NBD protocol document (NetworkBlockDevice/nbd, doc/proto.md); libnbd(3).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ddsnap/io/block_device.h"
#include "ddsnap/io/device_access.h"

struct nbd_handle;

namespace ddsnap {

// nbd:, nbds:, nbd+unix:, nbds+unix:, nbd+vsock:, nbds+vsock:
bool is_nbd_uri(std::string_view name);

class NbdDevice final : public BlockDevice {
 public:
  static Result<std::unique_ptr<NbdDevice>> open(const std::string& uri, DeviceAccess access);
  ~NbdDevice() override;

  const DeviceGeometry& geometry() const override { return geometry_; }
  const std::string& name() const override { return name_; }
  Status run(std::span<IoRequest> batch) override;
  Status flush() override;
  Status discard(ByteRange range) override;
  Status write_zeroes(ByteRange range) override;
  Result<std::vector<Extent>> extents(ByteRange range) override;
  // By the export's description; see export_description.h.
  std::string proven_snapshot_uuid() const override { return proven_uuid_; }

 private:
  struct CloseHandle {
    void operator()(nbd_handle* handle) const;
  };
  using Handle = std::unique_ptr<nbd_handle, CloseHandle>;

  NbdDevice(std::string name, Handle handle, DeviceAccess access);
  Status learn_geometry();
  Status learn_features(DeviceAccess access);
  Status check_changeable(ByteRange range) const;
  Status error(std::string_view what) const;  // of the last libnbd call in this thread

  const std::string name_;
  // Recursive: what a server cannot do is done by other calls.
  std::recursive_mutex turn_;
  Handle handle_;
  DeviceGeometry geometry_;
  std::size_t max_transfer_bytes_ = 0;
  bool is_writable_ = false;
  bool can_flush_ = false, can_trim_ = false, can_zero_ = false, can_tell_extents_ = false;
  std::string proven_uuid_;
};

}  // namespace ddsnap
