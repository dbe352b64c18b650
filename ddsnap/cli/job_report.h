// What `ddsnap status` tells of the replication of a volume: for each configuration that names its
// server.
//
// Shape     Where no configuration does, nothing.
// Errors    None: what cannot be read is told in its place.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace ddsnap {

std::string replication_text(const std::string& config_folder, const std::string& server,
                             std::int64_t now_s);
// An object by the names of the configurations.
nlohmann::ordered_json replication_json(const std::string& config_folder,
                                        const std::string& server);

}  // namespace ddsnap
