// The devices of one volume, opened as the server needs them and owned by it (S8, T8).
//
// Shape     All of them O_DIRECT or all buffered. kAuto: O_DIRECT as soon as one of them is a block
//           device, unless a file's file system cannot.
// Errors    open(): kUsage for one file given twice; kBusy "in use by a running server", after
//           waiting some seconds for the last writes of a killed one; what FileDevice::open() says.
// Lifetime  The locks end with the object, after the last write.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/io/file_device.h"
#include "ddsnap/io/ownership_lock.h"
#include "ddsnap/wire/messages.h"
#include "server/store/snap_store.h"

namespace ddsnap {

struct DevicePaths {
  std::string snapstore;
  std::string origin;
  std::string metadata;  // empty: on the snapstore
};

class ServedDevices {
 public:
  static Result<std::unique_ptr<ServedDevices>> open(const DevicePaths& paths,
                                                     FileOptions::Caching caching);

  FileDevice& snapstore() { return *snapstore_; }
  FileDevice& origin() { return *origin_; }
  StoreDevices store_devices() { return {*snapstore_, *origin_, metadata_.get()}; }
  // Requires: no I/O is under way.
  Status refresh_sizes();
  const DevicePair& pair() const { return pair_; }
  bool is_direct() const { return origin_->is_direct(); }

 private:
  ServedDevices() = default;
  Status open_all(const DevicePaths& paths, FileOptions::Caching caching);
  Status lock_all();

  std::unique_ptr<FileDevice> snapstore_;
  std::unique_ptr<FileDevice> origin_;
  std::unique_ptr<FileDevice> metadata_;  // perhaps none
  DevicePair pair_;
  OwnershipLock snapstore_lock_;
  OwnershipLock origin_lock_;
  OwnershipLock metadata_lock_;
};

}  // namespace ddsnap
