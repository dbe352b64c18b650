// An origin or a snapshot as a block device, made when it is not there and ended when it is: what
// attach, detach, mount and umount share.
//
// Errors    kBusy where it is attached otherwise than asked for; as LocalAttachment.
// Threads   None inside.
#pragma once

#include <string>

#include "ddsnap/cli/attachment.h"

namespace ddsnap {

struct AttachWish {
  std::string server;
  std::string tag;  // empty: the origin
  bool is_writable = false;
  std::string how = "auto";  // or dm, nbdfuse
  std::string control = kDefaultControl;
  std::string mount_point;  // made for this mount alone
  std::string name;         // below /dev/mapper; empty: any
};

// The path of the device. One that is there already is taken as it is.
Result<AttachmentRecord> attach_volume(const AttachWish& wish);
// Success also where nothing is attached.
Status detach_volume(const std::string& server, const std::string& tag);

}  // namespace ddsnap
