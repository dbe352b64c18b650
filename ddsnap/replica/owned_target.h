// The device that a delta is applied to, opened for writing and owned: nobody else of ours writes
// it meanwhile (S8).
//
// Shape     A path is opened as a file device and locked as a whole; other names bring their own
//           protection (a ddsnap: name is a target of its server).
// Errors    kBusy when a server, a target or another apply holds the device, and, unless forced,
//           when the kernel has it in use (device_users.h). A read-only one: kIo, saying so.
// Threads   A plain value.
// Lifetime  The lock goes with the descriptor's last write, also after a kill.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/io/block_device.h"
#include "ddsnap/io/ownership_lock.h"

namespace ddsnap {

class OwnedTarget {
 public:
  struct How {
    bool is_forced = false;
    bool is_read_only = false;  // to look only: then nothing is locked, but its users are told
  };
  static Result<OwnedTarget> open(const std::string& name, const How& how);
  BlockDevice& device() { return *device_; }

 private:
  OwnedTarget(std::unique_ptr<BlockDevice> device, OwnershipLock lock)
      : device_(std::move(device)), lock_(std::move(lock)) {}

  std::unique_ptr<BlockDevice> device_;
  OwnershipLock lock_;  // of device_'s descriptor: released first
};

}  // namespace ddsnap
