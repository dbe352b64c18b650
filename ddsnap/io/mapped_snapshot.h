// What device-mapper says of a block device that the kernel target serves: which snapshot it is
// (D5).
//
// Shape     The uuid's text; the nil uuid's for an origin; empty for any other device, for a
// snapshot whose
//           server was never found yet, and where device-mapper may not be asked (not root, no such
//           driver).
// Threads   libdevmapper keeps one descriptor a process: callers serialise.
// Source    The status line of the target "ddsnap": ROLE STATE UUID ... (kernel-patches/README.md).
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace ddsnap {

std::string mapped_snapshot_uuid(dev_t device);

// The same of a status line.
std::string snapshot_uuid_of_status(std::string_view status);

}  // namespace ddsnap
