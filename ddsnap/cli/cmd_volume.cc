#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"

namespace ddsnap {

// The actions are verbs of two words (verbs.cc); by itself there is only help.
Result<int> cmd_volume(Arguments arguments) {
  std::string action;
  ArgumentParser parser(
      {.name = "volume",
       .usage = "create|remove|list|start|stop ...",
       .summary =
           "Sets up a volume of this host in one step: snapstore, configuration, units, and\n"
           "/dev/mapper/NAME, which is mounted in the origin's place."});
  parser.object("ACTION", action, "One of these; 'ddsnap volume ACTION --help' tells more");
  parser.afterword(
      "Actions:\n"
      "  create   make a volume of an origin and an empty device for its snapshots\n"
      "  remove   take it away; the origin stays, with all that is in it\n"
      "  list     list the volumes of this host\n"
      "  start    bring a volume's server and device up\n"
      "  stop     take them down\n"
      "For units:\n"
      "  serve    run the server of a volume\n"
      "  attach   make its device\n"
      "  detach   end it");
  if (!DD_TRY(parser.parse(arguments))) return 0;
  return fail(ErrorCode::kUsage,
              fmt::format("volume: '{}' is none of create, remove, list, start, stop; see 'ddsnap "
                          "volume --help'",
                          action));
}

}  // namespace ddsnap
