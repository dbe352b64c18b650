#include "ddsnap/replica/target_record.h"

#include "ddsnap/delta/target_identity.h"

namespace ddsnap {

Result<FileApplyState> record_of_target(const std::string& device_name) {
  const std::string folder = DD_TRY(default_state_folder());
  return FileApplyState(folder + "/" + target_identity(device_name));
}

}  // namespace ddsnap
