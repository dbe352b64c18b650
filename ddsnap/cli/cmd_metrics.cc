#include <fmt/format.h>

#include "ddsnap/cli/argument_parser.h"
#include "ddsnap/cli/verbs.h"
#include "ddsnap/replica/text_file.h"
#include "ddsnap/view/metrics_text.h"

namespace ddsnap {

Result<int> cmd_metrics(Arguments arguments) {
  std::vector<std::string> servers;
  std::string output = "-";
  std::string config_folder = default_config_folder();
  bool is_open = false;
  ArgumentParser parser(
      {.name = "metrics",
       .usage = "[-o FILE] [--openmetrics] [--config DIR] [SERVER...]",
       .summary =
           "Writes what is known of volumes as metrics, for Prometheus: of these servers, which\n"
           "must answer, or of all configured volumes, where one that does not is told as down."});
  parser.text_option(
      "-o,--output", "FILE", output,
      "Replaced as a whole, for node_exporter's textfile collector (default: stdout)");
  parser.flag("--openmetrics", is_open, "OpenMetrics instead of Prometheus' own text");
  parser.config_option(config_folder);
  parser.servers(servers,
                 "Volumes' names, or sockets of servers (default: all configured volumes)");
  if (!DD_TRY(parser.parse(arguments))) return 0;

  std::vector<VolumeFacts> volumes;
  for (const VolumeName& volume : DD_TRY(volume_names(servers, config_folder))) {
    volumes.push_back(read_volume(volume, config_folder));
    if (!servers.empty() && volumes.back().unreachable)
      return std::unexpected(*volumes.back().unreachable);
  }
  const std::string text =
      metrics_text(volumes, is_open ? MetricsForm::kOpenMetrics : MetricsForm::kPrometheus);
  if (output != "-") {
    DD_TRY(write_text_file(output, text));
  } else {
    fmt::print("{}", text);
  }
  return 0;
}

}  // namespace ddsnap
