#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

Result<int> cmd_priority(Arguments arguments) {
  std::string server;
  std::string number;
  SetPriorityMessage request;
  ArgumentParser parser(
      {.name = "priority",
       .usage = "SERVER TAG N",
       .summary = "Sets when a snapshot is given up to make room, and prints the new priority."});
  parser.server(server);
  parser.object("TAG", request.tag, kTagHelp);
  parser.object("N", number, "-128 to 127; the lowest go first, 127 never goes");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_tag(request.tag));
  const int priority = DD_TRY(parse_number("N", number, INT8_MIN, INT8_MAX));
  request.priority = static_cast<std::int8_t>(priority);
  ServerClient client = DD_TRY(ServerClient::connect(server));
  DD_TRY(client.set_priority(request));
  fmt::print("{}\n", priority);
  return 0;
}

}  // namespace ddsnap
