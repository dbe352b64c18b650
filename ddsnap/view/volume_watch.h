// Looks at one volume again and again, and has ready what the web server hands out: nobody who asks
// for the page costs a volume's server anything.
//
// Units     Seconds since 1970, UTC.
// Shape     look() reads everything anew. A sample goes into the history file when it is due.
// Errors    A volume that does not answer is shown as one; a history that cannot be stored is told
//           by look(), and the curves go on in memory.
// Threads   look() by one thread; json() and facts() by any.
#pragma once

#include <mutex>
#include <string>

#include "ddsnap/view/change_matrix.h"
#include "ddsnap/view/history.h"
#include "ddsnap/view/volume_facts.h"

namespace ddsnap {

class VolumeWatch {
 public:
  // `history_folder` empty: nothing is stored.
  VolumeWatch(VolumeName volume, std::string config_folder, const std::string& history_folder);

  Status look(std::int64_t now_s);
  std::string json() const;
  VolumeFacts facts() const;

 private:
  Status keep_history(std::int64_t now_s, const VolumeFacts& facts);

  const VolumeName volume_;
  const std::string config_folder_;
  const std::string history_path_;
  ChangeMatrixReader changes_;
  History history_;
  bool is_history_loaded_ = false;

  mutable std::mutex mutex_;
  VolumeFacts facts_;  // both: guarded by mutex_
  std::string json_;
};

}  // namespace ddsnap
