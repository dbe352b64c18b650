#include "server/nbdkit/origin_export.h"

#include <fmt/format.h>

namespace ddsnap {

OriginExport::OriginExport(std::unique_ptr<OriginTarget> target)
    : target_(std::move(target)),
      description_(fmt::format("ddsnap origin store={}", target_->store_uuid().to_string())) {}

}  // namespace ddsnap
