#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/job_config.h"
#include "ddsnap/view/charts.h"
#include "ddsnap/view/picture_file.h"

namespace ddsnap {

Result<int> cmd_graph(Arguments arguments) {
  std::string what;
  std::string server;
  std::string output;
  ArgumentParser parser({.name = "graph",
                         .usage = "-o FILE space SERVER",
                         .summary = "Draws who holds the room in a snapstore: a bar a snapshot."});
  parser.text_option("-o,--output", "FILE", output, "FILE.svg, FILE.png, or '-': SVG to stdout");
  parser.object("WHAT", what, "'space'");
  parser.server(server);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (what != "space")
    return fail(ErrorCode::kUsage, fmt::format("graph: '{}' cannot be drawn; 'space' can", what));
  DD_TRY(check_picture_path(output));
  ServerClient client = DD_TRY(ServerClient::connect(server));
  VolumeFacts facts;
  DD_TRY(read_volume_into(facts, client));
  facts.volume = {.name = facts.status.origin_path, .server = server};
  DD_TRY(write_picture(output, space_chart(facts)));
  return 0;
}

}  // namespace ddsnap
