// A device of a store that no server runs on, opened and locked against one (S8).
//
// Errors    kBusy while a server, or somebody else who writes, has it.
// Lifetime  The lock ends with the object, before the descriptor does.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/io/file_device.h"
#include "ddsnap/io/ownership_lock.h"

namespace ddsnap {

struct LockedDevice {
  std::unique_ptr<FileDevice> device;
  OwnershipLock lock;

  // kReadOnly: no server may start meanwhile; others may read too. kReadWrite: nobody else, targets
  // included.
  static Result<LockedDevice> open(const std::string& path, DeviceAccess access);
};

// kUsage when both are the same file or device.
Status check_distinct(const FileDevice& one, const FileDevice& other);

}  // namespace ddsnap
