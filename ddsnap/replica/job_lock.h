// One job a volume at a time, however often cron starts it.
//
// Shape     An exclusive flock() on a file in the volume's state folder, which is made when it is
//           not there.
// Errors    kBusy while another process has it; else as the system says.
// Lifetime  Held until the object goes, or its process, however that ends.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/base/unique_fd.h"

namespace ddsnap {

class JobLock {
 public:
  // `job` as in "rotate".
  static Result<JobLock> take(const std::string& state_folder, const std::string& job);

 private:
  explicit JobLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace ddsnap
