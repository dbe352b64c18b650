// A device as a target has it open: with the ownership lock of its attachment on the very
// descriptor that carries its writes (S8).
//
// Errors    As FileDevice; own(): kBusy while somebody else holds that byte.
// Threads   device() is safe from several threads; own() by one thread.
// Lifetime  The locks end when the last write of the descriptor is done, even after a kill.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/io/io_engine.h"
#include "ddsnap/wire/messages.h"

namespace ddsnap {

class OwnedDevice {
 public:
  enum class Access { kRead, kWrite };
  // Requires: an engine that is safe from several threads.
  static Result<std::unique_ptr<OwnedDevice>> open(const std::string& path, bool is_direct,
                                                   Access access,
                                                   IoEngineKind engine = IoEngineKind::kSync);
  ~OwnedDevice();

  BlockDevice& device();
  // Takes the byte of this attachment, and gives back that of an earlier one. Nothing to do when
  // it is held already.
  Status own(std::uint32_t attachment_id);

 private:
  struct Parts;
  explicit OwnedDevice(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// kUsage when a path that the server told means another device here than the one we were given
// (T8). A path that does not exist here proves nothing either way: the server may live in another
// mount namespace, and the agent matched the devices themselves.
Status check_told_device(const DeviceId& ours, const std::string& told_path);

}  // namespace ddsnap
