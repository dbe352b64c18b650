// A note on this host that a store is closed, for a store that takes not even that mark (S10): the
// origin is written without it, and no later server may take its snapshots for good ones.
//
// Shape     Two names in one folder: by the store's uuid, and by the path of the snapstore where
// the
//           uuid cannot be read. $DDSNAP_STATE_DIR, else /var/lib/ddsnap for root, and for others
//           ddsnap below $XDG_STATE_HOME or ~/.local/state.
// Durable   keep() and remove() return when it is so.
// Errors    As the file system says.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/base/uuid.h"

namespace ddsnap {

class ClosedNote {
 public:
  // `store`: nil where it cannot be read.
  ClosedNote(std::string folder, const Uuid& store, const std::string& snapstore_path);

  Status keep(const std::string& why) const;
  bool is_there() const;
  Status remove() const;
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::string by_uuid_;  // empty: unknown
  std::string by_path_;
};

// kUsage where there is no place.
Result<std::string> closed_note_folder();

}  // namespace ddsnap
