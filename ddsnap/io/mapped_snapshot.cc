#include "ddsnap/io/mapped_snapshot.h"

#include <libdevmapper.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "ddsnap/base/uuid.h"

namespace ddsnap {

namespace {

struct TaskEnd {
  void operator()(dm_task* task) const { dm_task_destroy(task); }
};

// A device that is none of device-mapper's is no error of ours to print.
void say_nothing(int, const char*, int, int, const char*, ...) {}

}  // namespace

std::string snapshot_uuid_of_status(std::string_view status) {
  const auto word = [&] {
    const std::string_view found = status.substr(0, status.find(' '));
    status.remove_prefix(std::min(found.size() + 1, status.size()));
    return found;
  };
  const std::string_view role = word();
  if (role == "origin") return Uuid{}.to_string();
  if (role != "snapshot") return {};
  word();  // the state of the line
  const auto uuid = Uuid::parse(std::string(word()));
  return uuid && !uuid->is_nil() ? uuid->to_string() : std::string();
}

std::string mapped_snapshot_uuid(dev_t device) {
  if (::access("/dev/mapper/control", R_OK | W_OK) != 0) return {};
  dm_log_with_errno_init(say_nothing);
  const std::unique_ptr<dm_task, TaskEnd> task(dm_task_create(DM_DEVICE_STATUS));
  if (!task || !dm_task_set_major(task.get(), static_cast<int>(major(device))) ||
      !dm_task_set_minor(task.get(), static_cast<int>(minor(device))) ||
      !dm_task_no_open_count(task.get()) || !dm_task_run(task.get()))
    return {};
  std::uint64_t start = 0, length = 0;
  char *type = nullptr, *status = nullptr;
  void* next = dm_get_next_target(task.get(), nullptr, &start, &length, &type, &status);
  // One target and no other: a device that is only in part a snapshot is none.
  if (next != nullptr || type == nullptr || status == nullptr || type != std::string_view("ddsnap"))
    return {};
  return snapshot_uuid_of_status(status);
}

}  // namespace ddsnap
