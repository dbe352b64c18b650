// Mounted file systems that are frozen (FIFREEZE) while snapshots are made, and thawed whatever
// happens to this process (timeline 23).
//
// Shape     A second process, the watchdog, is forked before the first file system is frozen. It
//           holds nothing but the mounts and a line to this process, and thaws when the line ends
//           (killed, also with -9) or the deadline passes (stopped, or waiting too long):
//
//               this process                     watchdog
//               "I try mount 0"                  mount 0 may be frozen from now on
//               FIFREEZE mount 0
//               ... snapshots ...                line ended, or too late: FITHAW, and again, as
//               long FITHAW mount 0                   as a FIFREEZE may still be under way "done"
//               exits
//
// Errors    kUsage for what is no folder, or two of one file system; kBusy when somebody else has
//           it frozen; thaw(): kBusy when it was not frozen all the time.
// Threads   One uses it. freeze() forks; the child calls nothing but the kernel.
// Lifetime  The destructor thaws. Between freeze() and thaw() nothing may be written to these file
//           systems, by this process neither.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

class FrozenMounts {
 public:
  static Result<FrozenMounts> open(const std::vector<std::string>& paths);
  FrozenMounts(FrozenMounts&& other) noexcept;
  FrozenMounts& operator=(FrozenMounts&&) = delete;
  ~FrozenMounts();

  // kUsage when `path`, a file or a device, lies on one of them or on a device that is made of a
  // file there: whoever needs it to go on would wait for the thaw.
  Status refuse_path_on(const std::string& path, const std::string& what) const;

  // All of them in their order, or none. The watchdog's deadline begins now.
  Status freeze(std::uint64_t deadline_ms);
  Status thaw();

 private:
  struct Mount {
    std::string path;
    UniqueFd fd;
    dev_t device = 0;
    bool is_frozen = false;
  };
  FrozenMounts() = default;
  Status start_watchdog(std::uint64_t deadline_ms);
  Status freeze_one(std::uint32_t index);
  void end_watchdog();

  std::vector<Mount> mounts_;
  UniqueFd line_;
  pid_t watchdog_ = -1;
};

}  // namespace ddsnap
