#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/delta/changelist_file.h"
#include "ddsnap/delta/compare.h"
#include "ddsnap/replica/server_address.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/target/open_ddsnap_device.h"

namespace ddsnap {

namespace {

struct Options {
  bool is_compare = false;
  std::string digest;
  WorkOptions work;
  unsigned chunk_shift = kDefaultChunkShift;
  std::vector<std::string> objects;
};

Result<int> compare(Options& options) {
  WorkContext context = DD_TRY(options.work.context({}));
  auto old_device = DD_TRY(open_any_device(options.objects[1], DeviceAccess::kReadOnly));
  auto new_device = DD_TRY(open_any_device(options.objects[2], DeviceAccess::kReadOnly));
  const Changelist list =
      DD_TRY(compare_devices(*old_device, *new_device, options.chunk_shift, context));
  DD_TRY(write_changelist_file(options.objects[0], list));
  return 0;
}

Result<int> compare_digest(Options& options) {
  WorkContext context = DD_TRY(options.work.context({}));
  const std::unique_ptr<ByteSource> digest = DD_TRY(open_source(options.digest));
  auto new_device = DD_TRY(open_any_device(options.objects[1], DeviceAccess::kReadOnly));
  const Changelist list = DD_TRY(compare_with_digest(*digest, *new_device, context));
  DD_TRY(write_changelist_file(options.objects[0], list));
  return 0;
}

Result<int> ask_server(const Options& options) {
  const std::string& from_tag = options.objects[2];
  const std::string& to_tag = options.objects[3];
  DD_TRY(check_tag(from_tag));
  if (to_tag != "now") DD_TRY(check_tag(to_tag));
  ServerClient client = DD_TRY(ServerClient::connect(DD_TRY(server_address(options.objects[0]))));
  const Changelist list = DD_TRY(client.changelist(from_tag, to_tag));
  DD_TRY(write_changelist_file(options.objects[1], list));
  return 0;
}

}  // namespace

Result<int> cmd_create_cl(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "create-cl",
       .usage = "SERVER FILE FROM TO\n       ddsnap create-cl --compare [-c CHUNK] FILE OLD NEW\n"
                "       ddsnap create-cl --digest DIGEST FILE NEW",
       .summary = "Writes to FILE which chunks differ between two snapshots, two devices, or a\n"
                  "device and what 'ddsnap digest' remembers of an older one."});
  parser.flag("--compare", options.is_compare, "Read and compare the devices OLD and NEW");
  parser.text_option("--digest", "DIGEST", options.digest,
                     "Read NEW and compare it with this digest");
  parser.chunk_option("-c,--chunk", options.chunk_shift,
                      "Chunk size for --compare, 4K to 1M (default 16K)");
  options.work.declare(parser);
  parser.objects("OBJECTS", options.objects,
                 "FROM is a snapshot or bookmark, TO a snapshot or 'now';\nFILE may be '-'");
  parser.exclude_each_other({{"--compare", "--digest"}});
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const bool has_digest = !options.digest.empty();
  const std::size_t wanted = has_digest ? 2 : options.is_compare ? 3 : 4;
  if (options.objects.size() != wanted)
    return fail(
        ErrorCode::kUsage,
        fmt::format("create-cl: {} words where {} are wanted; see 'ddsnap create-cl --help'",
                    options.objects.size(), wanted));
  if (has_digest || options.is_compare)
    for (std::string& name : options.objects) name = DD_TRY(device_address(name));
  if (has_digest) return compare_digest(options);
  return options.is_compare ? compare(options) : ask_server(options);
}

}  // namespace ddsnap
