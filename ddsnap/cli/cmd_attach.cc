#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/attach_options.h"
#include "ddsnap/cli/verbs.h"

namespace ddsnap {

void declare_attach_options(ArgumentParser& parser, AttachWish& wish) {
  parser.flag("--write", wish.is_writable,
              "For writing: the origin through its protection, a snapshot as a copy of its own");
  parser.text_option("--how", "dm|nbdfuse|auto", wish.how,
                     "The kernel target, or nbdkit with nbdfuse and a loop device (auto: the first "
                     "that there is)");
  parser.text_option("--control", "CONTROL", wish.control,
                     "Socket of the agent, for the kernel target (default /run/ddsnap/control)");
}

Result<int> cmd_attach(Arguments arguments) {
  AttachWish wish;
  ArgumentParser parser(
      {.name = "attach",
       .usage = "[--write] [--how WAY] [--control CONTROL] SERVER [TAG]",
       .summary = "Makes a block device of the origin or of a snapshot, read-only unless --write,\n"
                  "and prints its path; also where it is there already."});
  declare_attach_options(parser, wish);
  parser.server(wish.server);
  parser.object("TAG", wish.tag, "The snapshot (default: the origin)", Need::kOptional);
  if (!DD_TRY(parser.parse(arguments))) return 0;

  if (!wish.tag.empty()) DD_TRY(check_tag(wish.tag));
  fmt::print("{}\n", DD_TRY(attach_volume(wish)).device);
  return 0;
}

}  // namespace ddsnap
