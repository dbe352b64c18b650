#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/delta_report.h"
#include "ddsnap/cli/help_texts.h"
#include "ddsnap/cli/verbs.h"

namespace ddsnap {

Result<int> cmd_inspect(Arguments arguments) {
  std::string file;
  bool as_json = false;
  ArgumentParser parser(
      {.name = "inspect",
       .usage = "[--json] FILE",
       .summary =
           "Tells what a changelist, delta or digest holds, and checks all of it on the way."});
  parser.flag("--json", as_json, kJsonHelp);
  parser.object("FILE", file, "A changelist, a delta or a digest; '-' for standard input");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  const auto facts = DD_TRY(inspect_path(file));
  std::visit(
      [&](const auto& of_kind) {
        if (as_json)
          fmt::print("{}\n", to_json(of_kind).dump(2));
        else
          fmt::print("{}", to_text(of_kind));
      },
      facts);
  return 0;
}

}  // namespace ddsnap
