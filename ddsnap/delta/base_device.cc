#include "ddsnap/delta/base_device.h"

#include <fmt/format.h>

#include "ddsnap/delta/chunk_io.h"

namespace ddsnap {

Status check_base(const BlockDevice& base, const DeltaHeader& header) {
  if (base.size_bytes() != header.from_bytes)
    return fail(ErrorCode::kUsage,
                fmt::format("{} has {} bytes, but the delta starts from a volume of {}",
                            base.name(), base.size_bytes(), header.from_bytes));
  const std::string proven = base.proven_snapshot_uuid();
  if (!proven.empty() && !header.from_uuid.is_nil() &&
      DD_TRY(Uuid::parse(proven)) != header.from_uuid)
    return fail(ErrorCode::kUsage,
                fmt::format("{} is snapshot {}, but the delta starts from "
                            "'{}' {}",
                            base.name(), proven, header.from_tag, header.from_uuid.to_string()));
  return check_holds_volume(base, header.from_geometry());
}

}  // namespace ddsnap
