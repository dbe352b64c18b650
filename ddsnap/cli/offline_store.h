// A store that no server runs on: its devices, locked, and what an inspection finds there.
//
// Shape     Borrowed parts first: the devices outlive the inspection.
// Errors    kBusy while a server (or, for writing, a target) has one of the devices; as
//           StoreInspection::open() says.
#pragma once

#include <memory>
#include <string>

#include "ddsnap/base/random.h"
#include "ddsnap/base/work_context.h"
#include "ddsnap/cli/check_report.h"
#include "ddsnap/cli/locked_device.h"
#include "server/store/inspection.h"

namespace ddsnap {

struct StorePaths {
  std::string snapstore;
  std::string origin;    // empty: not told
  std::string metadata;  // empty: on the snapstore
};

class OfflineStore {
 public:
  static Result<std::unique_ptr<OfflineStore>> open(const StorePaths& paths, DeviceAccess access,
                                                    const StoreInspection::Options& options);
  StoreInspection& inspection() { return *inspection_; }
  // Checks all that open() has not.
  Result<CheckReport> check(WorkContext& context);

 private:
  OfflineStore() = default;
  Status open_devices(const StorePaths& paths, DeviceAccess access);

  SystemRandom random_;
  LockedDevice snapstore_;
  LockedDevice origin_;    // perhaps none
  LockedDevice metadata_;  // perhaps none
  std::unique_ptr<BlockDevice> no_origin_;
  std::unique_ptr<StoreInspection> inspection_;
};

}  // namespace ddsnap
