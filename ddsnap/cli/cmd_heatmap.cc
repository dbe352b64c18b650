#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/view/charts.h"
#include "ddsnap/view/picture_file.h"

namespace ddsnap {

Result<int> cmd_heatmap(Arguments arguments) {
  std::string server;
  std::string output;
  int columns = 128;
  int rows = static_cast<int>(kMaxMatrixRows);
  ChangeMatrixReader::Ask ask;
  ArgumentParser parser(
      {.name = "heatmap",
       .usage = "-o FILE [--columns N] [--rows N] SERVER [FROM [TO]]",
       .summary =
           "Draws which parts of a volume changed between snapshots that follow on each other:\n"
           "time goes down, the volume from left to right, and the darker, the more changed."});
  parser.text_option("-o,--output", "FILE", output, "FILE.svg, FILE.png, or '-': SVG to stdout");
  parser.number_option("--columns", 1, static_cast<int>(kMaxMatrixColumns), columns,
                       "Parts of the volume (default 128)");
  parser.number_option("--rows", 1, static_cast<int>(kMaxMatrixRows), rows,
                       "At most so many, the newest (default 200)");
  parser.server(server);
  parser.object("FROM", ask.from_tag, "The oldest snapshot or bookmark (default: of all)",
                Need::kOptional);
  parser.object("TO", ask.to_tag, "The newest (default: what the volume holds now)",
                Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  DD_TRY(check_picture_path(output));
  for (const std::string* tag : {&ask.from_tag, &ask.to_tag})
    if (!tag->empty()) DD_TRY(check_tag(*tag));
  ask.columns = static_cast<std::size_t>(columns);
  ask.rows = static_cast<std::size_t>(rows);
  ServerClient client = DD_TRY(ServerClient::connect(server));
  const ServerStatusMessage status = DD_TRY(client.status());
  const auto snapshots = DD_TRY(client.snapshots());
  ChangeMatrixReader reader;
  const ChangeMatrix matrix = DD_TRY(reader.read(client, status, snapshots, ask));
  DD_TRY(write_picture(output, heat_map(matrix, status.origin_path)));
  return 0;
}

}  // namespace ddsnap
