// The two kinds of ends that a stream may have.
//
// Errors    As Downstream::open().
#pragma once

#include "ddsnap/replica/downstream.h"

namespace ddsnap {

// A bare device or file: apply_delta(), and what is remembered of it.
Result<std::unique_ptr<Downstream>> open_downstream_device(const std::string& name);
// A volume with a server; `server` is its socket.
Result<std::unique_ptr<Downstream>> open_downstream_volume(const std::string& server);

}  // namespace ddsnap
