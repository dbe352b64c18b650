#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/digest_device.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

Result<int> cmd_digest(Arguments arguments) {
  std::string device_name;
  std::string file;
  unsigned chunk_shift = kDefaultChunkShift;
  WorkOptions work;
  ArgumentParser parser(
      {.name = "digest",
       .usage = "[-c CHUNK] DEV FILE",
       .summary =
           "Writes a hash of each chunk of DEV to FILE, so that 'ddsnap create-cl --digest'\n"
           "can tell later what changed, when the old content is gone."});
  parser.chunk_option("-c,--chunk", chunk_shift, "Chunk size, 4K to 1M (default 16K)");
  work.declare(parser);
  parser.device("DEV", device_name);
  parser.object("FILE", file, "The digest to make; '-' for standard output");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  WorkContext context = DD_TRY(work.context({}));
  auto device = DD_TRY(open_any_device(device_name, DeviceAccess::kReadOnly));
  const std::unique_ptr<ByteSink> sink = DD_TRY(open_sink(file));
  DD_TRY(digest_device(*device, chunk_shift, wall_clock_ns(), context, *sink));
  return 0;
}

}  // namespace ddsnap
