// Where it is remembered what was applied to a target: beside no target, but in one folder of this
// host, named by what the target is.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/delta/apply_state.h"

namespace ddsnap {

Result<FileApplyState> record_of_target(const std::string& device_name);

}  // namespace ddsnap
