#include "ddsnap/base/random.h"
#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

Result<int> cmd_create(Arguments arguments) {
  std::string server;
  CreateSnapshotMessage request;
  int priority = 0;
  ArgumentParser parser({.name = "create",
                         .usage = "[--bookmark] [--priority N] SERVER TAG",
                         .summary = "Takes a snapshot of the volume as it is at one instant."});
  parser.flag("--bookmark", request.is_bookmark,
              "Remember the instant only: changelists can start from it, but its data is not kept");
  parser.number_option("--priority", INT8_MIN, INT8_MAX, priority,
                       "When room is short, lower ones are given up first; 127 never (default 0)");
  parser.object("SERVER", server, kServerHelp);
  parser.object("TAG", request.tag, kTagHelp);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_tag(request.tag));
  request.priority = static_cast<std::int8_t>(priority);
  SystemRandom random;
  request.uuid = Uuid::make(random);
  ServerClient client = DD_TRY(ServerClient::connect(server));
  DD_TRY(client.create(request));
  return 0;
}

}  // namespace ddsnap
