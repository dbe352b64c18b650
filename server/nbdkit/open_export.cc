#include "server/nbdkit/difference_export.h"
#include "server/nbdkit/origin_export.h"

namespace ddsnap {
namespace {

Result<std::unique_ptr<SnapshotTarget>> open_snapshot(const PluginSettings& settings,
                                                      const std::string& tag) {
  TargetOptions options = target_options(settings);
  options.link.tag = tag;
  return SnapshotTarget::open(std::move(options));
}

Result<std::unique_ptr<Export>> open_difference(const PluginSettings& settings,
                                                const ExportName& name) {
  // Attached first: from then on the tag cannot come to mean another snapshot unnoticed.
  auto target = DD_TRY(open_snapshot(settings, name.tag));
  ServerPlace place = settings.place();
  place.server_address = target->server_address();
  place.control_address.clear();
  auto catalog = DD_TRY(VolumeCatalog::connect(place));
  auto changes = DD_TRY(catalog.changelist(name.from_tag, name.tag));
  if (changes.to_uuid != target->snapshot_uuid())
    return fail(ErrorCode::kBusy, "snapshot " + name.tag + " was replaced meanwhile; try again");
  return std::make_unique<DifferenceExport>(std::move(target), std::move(changes));
}

}  // namespace

Result<std::unique_ptr<Export>> open_export(const PluginSettings& settings,
                                            const ExportName& name) {
  switch (name.kind) {
    case ExportName::Kind::kOrigin:
      return std::make_unique<OriginExport>(DD_TRY(OriginTarget::open(target_options(settings))));
    case ExportName::Kind::kSnapshot:
      return std::make_unique<SnapshotExport>(DD_TRY(open_snapshot(settings, name.tag)));
    case ExportName::Kind::kDifference:
      return open_difference(settings, name);
  }
  return fail(ErrorCode::kUsage, "an unknown kind of export");
}

}  // namespace ddsnap
