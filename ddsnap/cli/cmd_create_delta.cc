#include <fmt/format.h>

#include <algorithm>

#include "ddsnap/base/random.h"
#include "ddsnap/base/size_text.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/delta_report.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/wall_clock.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/changelist_file.h"
#include "ddsnap/delta/create_delta.h"
#include "ddsnap/replica/server_address.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

struct Options {
  bool is_raw = false;
  bool is_difference = false;
  bool is_best = false;
  bool is_full = false;
  bool is_reverse = false;
  bool is_trimmed = false;
  std::uint64_t long_bytes = 0;  // 0: not given
  bool as_json = false;
  int zlib_level = -1;  // -1: not given
  std::string codec;
  unsigned chunk_shift = kDefaultChunkShift;  // full deltas only
  WorkOptions work;
  std::vector<std::string> objects;
};

Result<CreateDeltaOptions> delta_options(const Options& options) {
  CreateDeltaOptions result;
  if (options.is_raw) result.mode = DeltaMode::kRaw;
  if (options.is_difference) result.mode = DeltaMode::kDifference;
  if (options.zlib_level == 0) result.codec = {.codec = Codec::kNone, .level = 0};
  if (options.zlib_level > 0) result.codec = {.codec = Codec::kZlib, .level = options.zlib_level};
  if (!options.codec.empty()) result.codec = DD_TRY(parse_codec(options.codec));
  result.created_ns = wall_clock_ns();
  result.is_reverse = options.is_reverse;
  result.is_trimmed = options.is_trimmed;
  // A difference finds what moved within its frame; raw ones gain nothing by it.
  if (result.mode != DeltaMode::kRaw) result.frame_data_bytes = kMaxFrameDataBytes;
  if (options.long_bytes == 0) return result;
  if (options.long_bytes < kFrameDataBytes || options.long_bytes > kMaxLongFrameDataBytes)
    return fail(ErrorCode::kUsage,
                fmt::format("--long: from {} to {}", human_bytes(kFrameDataBytes),
                            human_bytes(kMaxLongFrameDataBytes)));
  result.frame_data_bytes = static_cast<std::uint32_t>(options.long_bytes);
  return result;
}

DeltaFacts facts_of(const CreateDeltaReport& report) {
  DeltaFacts facts{.header = report.header};
  facts.trailer.totals = report.totals;
  facts.trailer.stream_bytes = report.stream_bytes;
  std::ranges::copy(report.frames_by_encoding, facts.frames_by_encoding);
  facts.unknown_chunks = report.unknown_chunks;
  return facts;
}

Status write_delta(Options& options, const Changelist& list, BlockDevice* from, BlockDevice& to,
                   const std::string& delta_path, WorkContext& context) {
  const CreateDeltaOptions how = DD_TRY(delta_options(options));
  const std::unique_ptr<ByteSink> sink = DD_TRY(open_sink(delta_path));
  SystemRandom random;
  const auto report = DD_TRY(create_delta(list, from, &to, how, random, *sink, context));
  options.work.end_progress();
  if (options.as_json) fmt::print("{}\n", to_json(facts_of(report)).dump(2));
  return {};
}

Status create_full(Options& options) {
  WorkContext context = DD_TRY(options.work.context({}));
  auto to = DD_TRY(open_any_device(options.objects[1], DeviceAccess::kReadOnly));
  Uuid uuid;
  const std::string proven = to->proven_snapshot_uuid();
  if (!proven.empty()) uuid = DD_TRY(Uuid::parse(proven));
  const ChunkGeometry geometry{.chunk_shift = options.chunk_shift,
                               .volume_bytes = to->size_bytes()};
  const Changelist list = full_changelist(geometry, uuid, {});
  DD_TRY(list.check());
  return write_delta(options, list, nullptr, *to, options.objects[0], context);
}

Status create_difference(Options& options) {
  const Changelist list = DD_TRY(read_changelist_file(options.objects[0]));
  WorkContext context =
      DD_TRY(options.work.context(options.is_reverse ? list.from_tag : list.to_tag));
  std::unique_ptr<BlockDevice> from;
  if (options.objects.size() == 4)
    from = DD_TRY(open_any_device(options.objects[2], DeviceAccess::kReadOnly));
  auto to = DD_TRY(open_any_device(options.objects.back(), DeviceAccess::kReadOnly));
  return write_delta(options, list, from.get(), *to, options.objects[1], context);
}

Status check_objects(const Options& options) {
  const bool has_no_from = options.is_raw && !options.is_reverse && options.objects.size() == 3;
  const std::size_t wanted = options.is_full ? 2 : has_no_from ? 3 : 4;
  if (options.objects.size() != wanted)
    return fail(
        ErrorCode::kUsage,
        fmt::format("create-delta: {} words where {} are wanted; see 'ddsnap create-delta --help'",
                    options.objects.size(), wanted));
  const std::string& delta_path = options.objects[options.is_full ? 0 : 1];
  if (options.as_json && delta_path == "-")
    return fail(ErrorCode::kUsage, "create-delta: --json and the delta cannot share stdout");
  return {};
}

}  // namespace

Result<int> cmd_create_delta(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "create-delta",
       .usage = "[-r|-x|-b] [-g 0..9 | --codec NAME[:LEVEL]]\n"
                "                           [--reverse] [--trim] CHANGELIST DELTA DEV-FROM DEV-TO\n"
                "       ddsnap create-delta -r [-g ... | --codec ...] CHANGELIST DELTA DEV-TO\n"
                "       ddsnap create-delta --full [-c CHUNK] [-g ... | --codec ...] DELTA DEV-TO",
       .summary = "Writes the content that turns one snapshot into another."});
  parser.flag("-r,--raw", options.is_raw, "New content alone");
  parser.flag("-x,--difference", options.is_difference,
              "New content as a difference against the old where that is smaller");
  parser.flag("-b,--best", options.is_best, "The smaller of both, piece by piece (default)");
  parser.flag("--full", options.is_full, "The whole of DEV-TO, for a target with nothing on it");
  parser.number_option("-g,--gzip", 0, 9, options.zlib_level,
                       "Compress with zlib at this level; 0: not at all");
  parser.text_option("--codec", "NAME[:LEVEL]", options.codec, "zstd (default), zlib, lz4 or none");
  parser.chunk_option("-c,--chunk", options.chunk_shift, "Chunk size for --full (default 16K)");
  parser.flag("--reverse", options.is_reverse, "The delta that turns DEV-TO back into DEV-FROM");
  parser.flag("--trim", options.is_trimmed, "Leave out chunks that are as before");
  parser.size_option(
      "--long", options.long_bytes,
      "Content that is compressed together, to 128M (default 1M, raw 256K): smaller deltas, at "
      "the cost of five times that memory here and where they are applied (--memory)");
  parser.flag("--json", options.as_json, "Tell what was made, as 'inspect --json' would");
  options.work.declare(parser);
  parser.objects("OBJECTS", options.objects,
                 "CHANGELIST as create-cl writes it; DELTA a file, or '-'; "
                 "DEV as 'ddsnap --help' tells");
  parser.exclude_each_other({{"--raw", "--difference", "--best"}});
  parser.exclude_each_other({{"--gzip", "--codec"}});
  parser.exclude_each_other({{"--full", "--reverse"}});
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_objects(options));
  for (std::string& name : options.objects) name = DD_TRY(device_address(name));
  DD_TRY(delta_options(options));
  DD_TRY(options.is_full ? create_full(options) : create_difference(options));
  return 0;
}

}  // namespace ddsnap
