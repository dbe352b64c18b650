#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

Result<int> cmd_detach(Arguments arguments) {
  std::string server;
  bool is_forced = false;
  ForceDetachMessage request;
  ArgumentParser parser(
      {.name = "detach",
       .usage = "--force SERVER LABEL",
       .summary =
           "Declares a target gone that is absent and will not return. Whoever says so must\n"
           "know that no write of it can still be on its way."});
  parser.flag("--force", is_forced, "Say that the target is gone; without it nothing is done");
  parser.object("SERVER", server, kServerHelp);
  parser.object("LABEL", request.label, "The target's label, as 'ddsnap status' shows it");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (!is_forced)
    return fail(ErrorCode::kUsage,
                "detach: a target that is only lost returns by itself; --force declares it gone");
  ServerClient client = DD_TRY(ServerClient::connect(server));
  DD_TRY(client.force_detach(request));
  return 0;
}

}  // namespace ddsnap
