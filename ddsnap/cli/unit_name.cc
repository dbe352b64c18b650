#include "ddsnap/cli/unit_name.h"

#include <fmt/format.h>

#include <boost/algorithm/string/replace.hpp>

namespace ddsnap {

namespace {

constexpr const char* kEscapedDash = "\\x2d";

}  // namespace

std::string volume_unit(std::string_view job, const std::string& name, std::string_view type) {
  const std::string instance = boost::algorithm::replace_all_copy(name, "-", kEscapedDash);
  return fmt::format("ddsnap-{}@{}.{}", job, instance, type);
}

std::string volume_of_instance(const std::string& instance) {
  return boost::algorithm::replace_all_copy(instance, kEscapedDash, "-");
}

}  // namespace ddsnap
