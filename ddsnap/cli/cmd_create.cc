#include <fmt/format.h>

#include "ddsnap/base/random.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_address.h"
#include "ddsnap/replica/server_client.h"
#include "ddsnap/replica/snapshot_group.h"

namespace ddsnap {

namespace {

struct Options {
  CreateSnapshotMessage request;
  int priority = 0;
  bool is_group = false;
  int timeout_s = 0;  // 0: not given
  std::vector<std::string> objects;
  TogetherOptions together;
};

Status check(Options& options) {
  if (options.objects.size() < 2 || (options.objects.size() > 2 && !options.is_group))
    return fail(ErrorCode::kUsage,
                "create: SERVER and TAG are wanted, more servers only with --group; see 'ddsnap "
                "create --help'");
  const bool is_together = options.is_group || !options.together.mounts.empty();
  if (options.timeout_s != 0 && !is_together)
    return fail(ErrorCode::kUsage, "create: --timeout is for --group and --freeze");
  options.request.tag = options.objects.back();
  options.objects.pop_back();
  return check_tag(options.request.tag);
}

}  // namespace

Result<int> cmd_create(Arguments arguments) {
  Options options;
  ArgumentParser parser(
      {.name = "create",
       .usage = "[--bookmark] [--priority N] [--freeze MOUNT]... SERVER TAG\n"
                "       ddsnap create --group [--freeze MOUNT]... SERVER... TAG",
       .summary = "Takes a snapshot of the volume as it is at one instant, or of several volumes\n"
                  "at the same instant."});
  parser.flag("--bookmark", options.request.is_bookmark,
              "Remember the instant only: changelists can start from it, but its data is not kept");
  parser.number_option("--priority", INT8_MIN, INT8_MAX, options.priority,
                       "When room is short, lower ones are given up first; 127 never (default 0)");
  parser.flag("--group", options.is_group,
              "One instant over all these servers' volumes: all snapshots are made, or none");
  parser.text_list_option("--freeze", "MOUNT", options.together.mounts,
                          "Freeze the file system mounted there meanwhile, so that the snapshot is "
                          "a clean one; thawed whatever happens to this command");
  parser.number_option("--timeout", 1, kBarrierDeadline_ms / 1000, options.timeout_s,
                       "Seconds after which a group's volumes and frozen file systems go on and "
                       "no snapshot is made (default 10)");
  parser.objects("OBJECTS", options.objects,
                 "SERVER: a volume's name, or the socket of its server; TAG: what the snapshot is "
                 "called");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check(options));
  options.request.priority = static_cast<std::int8_t>(options.priority);
  SystemRandom random;
  options.request.uuid = Uuid::make(random);
  for (const std::string& named : options.objects)
    options.together.servers.push_back(DD_TRY(server_address(named)));
  if (options.timeout_s != 0)
    options.together.timeout_ms = static_cast<std::uint64_t>(options.timeout_s) * 1000;
  if (options.is_group || !options.together.mounts.empty()) {
    DD_TRY(create_together(options.together, options.request));
    return 0;
  }
  ServerClient client = DD_TRY(ServerClient::connect(options.together.servers.front()));
  DD_TRY(client.create(options.request));
  return 0;
}

}  // namespace ddsnap
