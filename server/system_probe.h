// Whether a lost target is gone, as this host can tell it (S8, T4): by locks, device nodes, boots.
//
// Shape     A target of another boot is gone. A kernel target is gone with its mapped device, or
//           when the module no longer names it in /sys/kernel/ddsnap: its device's number may be
//           another's by now, or its device have another table. A user-space target is gone when
//           nobody holds its byte of the ownership lock on either device: the lock outlives the
//           process until its last write is done.
// Errors    What cannot be told counts as "not gone".
// Threads   None inside.
// Lifetime  Borrows the two devices.
#pragma once

#include <string>
#include <utility>

#include "ddsnap/io/file_device.h"
#include "server/ownership_probe.h"

namespace ddsnap {

class SystemProbe final : public OwnershipProbe {
 public:
  // `sysfs` is where it is mounted.
  SystemProbe(const FileDevice& snapstore, const FileDevice& origin, Uuid boot_id,
              std::string sysfs = "/sys")
      : snapstore_(snapstore), origin_(origin), boot_id_(boot_id), sysfs_(std::move(sysfs)) {}

  bool is_gone(const Attachment& attachment) override;
  std::string swap_on_origin() override;

 private:
  bool is_kernel_target_gone(const Attachment& attachment) const;

  const FileDevice& snapstore_;
  const FileDevice& origin_;
  const Uuid boot_id_;
  const std::string sysfs_;
};

}  // namespace ddsnap
