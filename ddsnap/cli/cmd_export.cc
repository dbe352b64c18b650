#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/export_rbd.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

struct Options {
  std::string format;
  std::string base;
  ExportOptions how;
  WorkOptions work;
  std::string delta;
  std::string out = "-";
};

Status export_delta(Options& options) {
  WorkContext context = DD_TRY(options.work.context({}));
  const std::unique_ptr<ByteSource> source = DD_TRY(open_source(options.delta));
  std::unique_ptr<BlockDevice> base;
  if (!options.base.empty()) base = DD_TRY(open_any_device(options.base, DeviceAccess::kReadOnly));
  const std::unique_ptr<ByteSink> sink = DD_TRY(open_sink(options.out));
  DD_TRY(export_rbd(*source, base.get(), options.how, context, *sink));
  return {};
}

}  // namespace

Result<int> cmd_export(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "export",
       .usage = "--format rbd-diff-v1|rbd-diff-v2 [--base DEV]\n"
                "                     [--from-name NAME] [--to-name NAME] DELTA [OUT]",
       .summary = "Writes a delta as another program's stream: 'rbd import-diff' applies it to an\n"
                  "image. Such a stream has no checksums."});
  parser.text_option("--format", "FORMAT", options.format, "rbd-diff-v1 or rbd-diff-v2");
  parser.device_option("--base", options.base,
                       "Holds what the delta starts from. Needed for deltas made with -x or -b");
  parser.text_option("--from-name", "NAME", options.how.from_name,
                     "What the older snapshot is called there (default: its tag, else its uuid)");
  parser.text_option("--to-name", "NAME", options.how.to_name, "The same of the newer one");
  options.work.declare(parser);
  parser.object("DELTA", options.delta, "A file; '-' for standard input");
  parser.object("OUT", options.out, "A file; standard output if there is none", Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  options.how.version = DD_TRY(parse_rbd_version(options.format));
  DD_TRY(export_delta(options));
  return 0;
}

}  // namespace ddsnap
