// A block device made of an origin or a snapshot, and the record of what it is made of, so that
// all of it is ended in the right order later, also after a crash in the middle.
//
// Shape     One folder each in /run/ddsnap (or $DDSNAP_RUN_DIR), named by server and tag alone, so
//           that it is found when the server is dead. The record is there before the first part
//           of the device is, and goes last; its lock is held while the device is made or ended.
//               nbdfuse   nbdkit with our plugin -> nbdfuse, a file -> losetup, a device
//               dm        the kernel target, by dmsetup
//           One that has a name is /dev/mapper/NAME either way: of nbdfuse's loop device a linear
//           map is made, where the kernel has device-mapper.
// Errors    kBusy while the device is in use; kNotFound where no way exists; as the programs say.
// Threads   None inside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"
#include "ddsnap/wire/cli_messages.h"

namespace ddsnap {

inline constexpr const char* kDefaultControl = "/run/ddsnap/control";

enum class AttachWay : std::uint8_t { kMapped, kFuse };

struct AttachmentRecord {
  AttachWay way = AttachWay::kFuse;
  std::string server;  // absolute
  std::string tag;     // empty: the origin
  bool is_writable = false;
  std::string device;       // empty: not made yet
  std::string mount_point;  // made for this mount alone, and ended with it
  std::string name;         // below /dev/mapper; empty: any
};

// What is to be attached, as its server tells it.
struct AttachRequest {
  AttachmentRecord record;
  ServerStatusMessage status;
  std::uint64_t size_bytes = 0;
  std::string control;  // of the agent; for kMapped
};

// Where attachments, and the sockets of volumes that `ddsnap volume` starts, are.
std::string run_folder();

class LocalAttachment {
 public:
  // Takes the lock of this server's and tag's folder, which may be empty.
  static Result<LocalAttachment> open(const std::string& server, const std::string& tag);
  // Those that there are.
  static std::vector<AttachmentRecord> all();

  // None: nothing is attached.
  const std::optional<AttachmentRecord>& record() const { return record_; }
  // Whether all that it is made of is there.
  bool is_whole() const;
  // Requires: nothing is attached.
  Status make(const AttachRequest& request);
  // All of it that is left, in its order. Success also where there is nothing.
  Status end();

 private:
  LocalAttachment(std::string folder, UniqueFd lock)
      : folder_(std::move(folder)), lock_(std::move(lock)) {}
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  Status save();
  Status make_by_fuse(const AttachRequest& request);
  Status make_by_mapper(const AttachRequest& request);
  Status check_unused() const;
  Status end_fuse() const;
  std::vector<std::string> loops() const;
  Status map(const std::string& table);
  Status map_loop();
  Status unmap() const;
  std::string mapped_name() const;
  std::string mapped_uuid() const;

  std::string folder_;
  UniqueFd lock_;
  std::optional<AttachmentRecord> record_;
};

// The best way that this machine has. kNotFound with what is missing.
Result<AttachWay> choose_way(const std::string& control);

}  // namespace ddsnap
