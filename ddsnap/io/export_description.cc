#include "ddsnap/io/export_description.h"

#include <fmt/format.h>

namespace ddsnap {

namespace {

constexpr std::string_view kPrefix = "ddsnap snapshot uuid=";
constexpr std::string_view kOriginPrefix = "ddsnap origin store=";

}  // namespace

std::string describe_snapshot_export(const Uuid& uuid, std::string_view tag) {
  return fmt::format("{}{} tag={}", kPrefix, uuid.to_string(), tag);
}

std::string describe_origin_export(const Uuid& store) {
  return fmt::format("{}{}", kOriginPrefix, store.to_string());
}

std::string uuid_of_export_description(std::string_view description) {
  if (description.starts_with(kOriginPrefix)) return Uuid{}.to_string();
  if (!description.starts_with(kPrefix)) return {};
  description.remove_prefix(kPrefix.size());
  const Result<Uuid> uuid = Uuid::parse(description.substr(0, description.find(' ')));
  return uuid && !uuid->is_nil() ? uuid->to_string() : std::string{};
}

}  // namespace ddsnap
