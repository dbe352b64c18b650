// Which server somebody means who names one.
//
//     /run/ddsnap/data.server, ./socket    with a slash: a socket's path
//     @data                                an abstract socket
//     data                                 the volume of this host that FOLDER/data.conf tells of;
//                                          where there is none, a socket of that name right here
//
// Shape     Only looks for the configuration: whether somebody answers is told by who connects.
// Errors    As load_job_config() says of a configuration that is there and wrong.
// Threads   Plain functions.
#pragma once

#include <string>

#include "ddsnap/base/result.h"
#include "ddsnap/replica/job_config.h"

namespace ddsnap {

Result<std::string> server_address(const std::string& named,
                                   const std::string& config_folder = default_config_folder());

// "ddsnap:SERVER" and "ddsnap:SERVER#TAG" with the address of that server; other devices stay.
Result<std::string> device_address(const std::string& named,
                                   const std::string& config_folder = default_config_folder());

// For who takes a volume or a device: a volume's name is its server's address, even where a file is
// called so; "./data" is the file.
Result<std::string> volume_or_device(const std::string& named,
                                     const std::string& config_folder = default_config_folder());

}  // namespace ddsnap
