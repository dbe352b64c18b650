#include "ddsnap/replica/job_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <filesystem>

namespace ddsnap {

Result<JobLock> JobLock::take(const std::string& state_folder, const std::string& job) {
  std::error_code error;
  std::filesystem::create_directories(state_folder, error);
  if (error) return fail_errno("cannot make", state_folder, error.value());
  const std::string path = state_folder + "/" + job + ".lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("cannot open", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(ErrorCode::kBusy, "another '" + job + "' is at work: it holds " + path);
    return fail_errno("cannot lock", path);
  }
  return JobLock(std::move(fd));
}

}  // namespace ddsnap
