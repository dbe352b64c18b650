#include <fmt/format.h>

#include "ddsnap/base/random.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/codec_option.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/merge_delta.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

struct Options {
  std::string base;
  CodecOption codec;
  WorkOptions work;
  std::vector<std::string> objects;  // deltas, then the one to make
};

Status merge(Options& options) {
  MergeOptions how {
    .codec = DD_TRY(options.codec.choice())
    , .created_ns = wall_clock_ns()
  };
  WorkContext context = DD_TRY(options.work.context({}));
  std::vector<std::unique_ptr<ByteSource>> deltas;
  std::vector<ByteSource*> borrowed;
  for (const std::string& path : std::span(options.objects).first(options.objects.size() - 1)) {
    deltas.push_back(DD_TRY(make_rewindable(DD_TRY(open_source(path)), options.objects.back())));
    borrowed.push_back(deltas.back().get());
  }
  std::unique_ptr<BlockDevice> base;
  if (!options.base.empty()) base = DD_TRY(open_any_device(options.base, DeviceAccess::kReadOnly));
  const std::unique_ptr<ByteSink> sink = DD_TRY(open_sink(options.objects.back()));
  SystemRandom random;
  DD_TRY(merge_deltas(borrowed, base.get(), how, random, context, *sink));
  return {};
}

}  // namespace

Result<int> cmd_merge_delta(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "merge-delta",
       .usage = "[--base DEV] [-g 0..9 | --codec NAME[:LEVEL]]\n"
                "                          DELTA DELTA... OUT",
       .summary =
           "Makes one delta of several that follow on each other, oldest first: applying it\n"
           "does what applying them in turn does."});
  parser.device_option(
      "--base", options.base,
      "Holds what the first delta starts from. Needed where deltas made with -x or "
      "-b refer to old content that no delta here has");
  options.codec.declare(parser);
  options.work.declare(parser);
  parser.objects("OBJECTS", options.objects,
                 "DELTA a file, OUT a file; '-' for standard input and output");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (options.objects.size() < 3)
    return fail(ErrorCode::kUsage,
                "merge-delta: two deltas or more and a file to make are wanted; see 'ddsnap "
                "merge-delta --help'");
  DD_TRY(options.codec.choice());
  DD_TRY(merge(options));
  return 0;
}

}  // namespace ddsnap
