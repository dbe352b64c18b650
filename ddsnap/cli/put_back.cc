#include "ddsnap/cli/put_back.h"

#include <fmt/format.h>

#include "ddsnap/delta/copy_chunks.h"
#include "ddsnap/io/open_device.h"
#include "ddsnap/replica/target_record.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

// What was being applied is gone, also where it was interrupted.
Status strike_apply(const std::string& origin_name) {
  FileApplyState record = DD_TRY(record_of_target(origin_name));
  TargetState state = DD_TRY(record.load());
  if (!state.window) return {};
  state.window.reset();
  return record.store(state);
}

}  // namespace

Result<Changelist> changes_since(const PutBack& what, ServerClient& client) {
  Changelist list = DD_TRY(client.changelist(what.tag, "now"));
  if (list.from_bytes != list.to_bytes)
    return fail(ErrorCode::kUsage,
                fmt::format("{}: the volume has {} bytes, but snapshot '{}' has {}", what.server,
                            list.to_bytes, what.tag, list.from_bytes));
  return list;
}

Status put_back(const PutBack& what, const Changelist& list, WorkContext& context,
                const std::function<Status()>& attached) {
  const std::string origin_name = std::string(kDdsnapScheme) + what.server;
  const auto snapshot =
      DD_TRY(open_any_device(origin_name + "#" + what.tag, DeviceAccess::kReadOnly));
  const auto origin = DD_TRY(open_any_device(origin_name, DeviceAccess::kReadWrite));
  DD_TRY(attached());
  DD_TRY(copy_chunks(list, *snapshot, *origin, context));
  DD_TRY(attached());
  return strike_apply(origin_name);
}

}  // namespace ddsnap
