#include <fmt/format.h>
#include <unistd.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/codec_option.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/cli/work_options.h"
#include "ddsnap/replica/upstream.h"

namespace ddsnap {

Result<int> cmd_send(Arguments arguments) {
  std::string server;
  std::vector<std::string> tags;
  CodecOption codec;
  WorkOptions work;
  ArgumentParser parser(
      {.name = "send",
       .usage = "[-g 0..9 | --codec NAME[:LEVEL]] SERVER [FROM] TO",
       .summary =
           "Writes to stdout what turns snapshot FROM into snapshot TO; without FROM, all of\n"
           "TO. 'ddsnap send ... | ssh HOST ddsnap receive ...' needs no file in between."});
  codec.declare(parser);
  work.declare(parser);
  parser.server(server);
  parser.objects("TAGS", tags, "FROM, a snapshot or bookmark, and TO, a snapshot");
  if (!DD_TRY(parser.parse(arguments))) return 0;
  if (tags.empty() || tags.size() > 2)
    return fail(ErrorCode::kUsage,
                fmt::format("send: {} words where 2 or 3 are wanted; see 'ddsnap send --help'",
                            tags.size() + 1));
  for (const std::string& tag : tags) DD_TRY(check_tag(tag));
  const StreamOptions options {
    .codec = DD_TRY(codec.choice())
  };
  if (::isatty(STDOUT_FILENO) != 0)
    return fail(ErrorCode::kUsage,
                "a delta is nothing for a terminal; send it into a pipe or file");

  WorkContext context = DD_TRY(work.context(tags.back()));
  const Upstream upstream = DD_TRY(Upstream::open(server));
  const auto sink = DD_TRY(open_sink("-"));
  DD_TRY(upstream.write_delta(tags.size() == 2 ? tags.front() : "", tags.back(), options, *sink,
                              context));
  work.end_progress();
  return 0;
}

}  // namespace ddsnap
