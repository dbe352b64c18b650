#include "ddsnap/base/random.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/codec_option.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/import_rbd.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

struct Options {
  std::string base;
  std::uint64_t from_bytes = UINT64_MAX;  // that: not given
  unsigned chunk_shift = kDefaultChunkShift;
  CodecOption codec;
  WorkOptions work;
  std::string stream;
  std::string delta;
};

Status import_stream(Options& options) {
  ImportOptions how {
    .codec = DD_TRY(options.codec.choice())
    , .chunk_shift = options.chunk_shift, .created_ns = wall_clock_ns()
  };
  if (options.from_bytes != UINT64_MAX) how.from_bytes = options.from_bytes;
  WorkContext context = DD_TRY(options.work.context({}));
  const std::unique_ptr<ByteSource> source =
      DD_TRY(make_rewindable(DD_TRY(open_source(options.stream)), options.delta));
  std::unique_ptr<BlockDevice> base;
  if (!options.base.empty()) base = DD_TRY(open_any_device(options.base, DeviceAccess::kReadOnly));
  const std::unique_ptr<ByteSink> sink = DD_TRY(open_sink(options.delta));
  SystemRandom random;
  DD_TRY(import_rbd(*source, base.get(), how, random, context, *sink));
  return {};
}

}  // namespace

Result<int> cmd_import(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "import",
       .usage = "[--base DEV | --from-size SIZE] [-c CHUNK]\n"
                "                     [-g 0..9 | --codec NAME[:LEVEL]] STREAM DELTA",
       .summary =
           "Makes a delta from what 'rbd export-diff' writes, in either of its formats. Where\n"
           "the stream starts from a snapshot, only --base lets the delta know the content\n"
           "that it starts from; without it 'ddsnap apply-delta' wants --force."});
  parser.device_option("--base", options.base,
                       "Holds what the stream starts from. Needed where it tells parts of chunks");
  parser.size_option("--from-size", options.from_bytes,
                     "Size of the older image, where there is no base (default: as the newer one)");
  parser.chunk_option("-c,--chunk", options.chunk_shift, "Chunk size, 4K to 1M (default 16K)");
  options.codec.declare(parser);
  options.work.declare(parser);
  parser.exclude_each_other({{"--base", "--from-size"}});
  parser.object("STREAM", options.stream, "A file; '-' for standard input");
  parser.object("DELTA", options.delta, "A file; '-' for standard output");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(options.codec.choice());
  DD_TRY(import_stream(options));
  return 0;
}

}  // namespace ddsnap
