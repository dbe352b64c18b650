// What the command line may know of a volume: its numbers, and its targets by name.
//
// Threads   None inside. Every answer is one bounded message.
#pragma once

#include "ddsnap/wire/cli_messages.h"
#include "server/volume_parts.h"

namespace ddsnap {

ServerStatusMessage status_of(const VolumeParts& parts, const std::string& swap_on_origin);
TargetListMessage targets_of(const VolumeParts& parts, const ListTargetsMessage& message);

}  // namespace ddsnap
