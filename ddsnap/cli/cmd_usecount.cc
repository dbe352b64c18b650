#include <fmt/format.h>

#include <limits>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/server_client.h"

namespace ddsnap {

Result<int> cmd_usecount(Arguments arguments) {
  std::string server;
  std::string difference = "0";
  AddUseCountMessage request;
  ArgumentParser parser(
      {.name = "usecount",
       .usage = "SERVER TAG [DIFF]",
       .summary = "Adds to the count that keeps a snapshot from being deleted, and prints the\n"
                  "users it has now: the count and the attached targets together."});
  parser.server(server);
  parser.object("TAG", request.tag, kTagHelp);
  parser.object("DIFF", difference, "How much to add, e.g. 1 or -1 (default 0)", Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_tag(request.tag));
  request.difference = DD_TRY(parse_number("DIFF", difference, std::numeric_limits<int>::min(),
                                           std::numeric_limits<int>::max()));
  ServerClient client = DD_TRY(ServerClient::connect(server));
  const UseCountMessage counts = DD_TRY(client.add_use_count(request));
  fmt::print("{}\n", std::uint64_t{counts.use_count} + counts.target_count);
  return 0;
}

}  // namespace ddsnap
