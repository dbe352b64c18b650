#include "server/nbdkit/origin_export.h"

#include "ddsnap/io/export_description.h"

namespace ddsnap {

OriginExport::OriginExport(std::unique_ptr<OriginTarget> target)
    : target_(std::move(target)), description_(describe_origin_export(target_->store_uuid())) {}

}  // namespace ddsnap
