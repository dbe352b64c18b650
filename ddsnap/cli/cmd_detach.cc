#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/attach_volume.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

Result<int> cmd_detach(Arguments arguments) {
  std::string server;
  std::string name;
  bool is_forced = false;
  ArgumentParser parser(
      {.name = "detach",
       .usage = "SERVER [TAG]\n       ddsnap detach --force SERVER LABEL",
       .summary =
           "Ends what 'ddsnap attach' made, also when the server is gone; where nothing is\n"
           "attached that is fine. With --force it declares a target gone that is absent and will\n"
           "not return. Whoever says so must know that no write of it can still be on its way."});
  parser.flag("--force", is_forced, "Say that the target LABEL is gone");
  parser.server(server);
  parser.object("TAG", name,
                "The snapshot (default: the origin); with --force the target's label, as 'ddsnap "
                "status' shows it",
                Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (!is_forced) {
    if (!name.empty()) DD_TRY(check_tag(name));
    DD_TRY(detach_volume(server, name));
    return 0;
  }
  if (name.empty()) return fail(ErrorCode::kUsage, "detach: --force wants the target's label");
  ServerClient client = DD_TRY(ServerClient::connect(server));
  DD_TRY(client.force_detach({.label = name}));
  return 0;
}

}  // namespace ddsnap
