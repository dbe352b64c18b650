// A volume's name as the instance of a unit, and back.
//
//     volume_unit("rotate", "db-1", "timer")     ddsnap-rotate@db\x2d1.timer
//
// systemd writes the unit of /dev/mapper/db-1 as dev-mapper-db\x2d1.device. ddsnap-device@ names
// it, so its instance is escaped in the same way, and so are those that it names.
//
// Threads   Plain functions.
// Source    systemd.unit(5), "String escaping for inclusion in unit names"; systemd-escape(1).
#pragma once

#include <string>
#include <string_view>

namespace ddsnap {

// Requires: check_volume_name() takes the name, so that a dash is all that is to be escaped.
std::string volume_unit(std::string_view job, const std::string& name, std::string_view type);

// What a unit's instance means, whether or not somebody escaped it: no volume's name has a
// backslash.
std::string volume_of_instance(const std::string& instance);

}  // namespace ddsnap
