#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/locked_device.h"
#include "ddsnap/cli/store_dump.h"
#include "ddsnap/cli/verbs.h"

namespace ddsnap {

Result<int> cmd_dump(Arguments arguments) {
  std::string path;
  DumpOptions options;
  ArgumentParser parser(
      {.name = "dump",
       .usage = "[--full] SNAPSTORE",
       .summary = "Prints all metadata of a snapstore as JSON, as far as it can be read. Writes\n"
                  "nothing. No server may run on it. Exit status 3: some of it is damaged."});
  parser.flag("--full", options.is_full, "Every saved chunk too: its slot and its hash");
  parser.object("SNAPSTORE", path,
                "The snapstore or, where the metadata lies on a device of its own, that device");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const LockedDevice locked = DD_TRY(LockedDevice::open(path, DeviceAccess::kReadOnly));
  JsonWriter out(stdout);
  return DD_TRY(dump_store(*locked.device, options, out))
  ? 0 : 3;
}

}  // namespace ddsnap
