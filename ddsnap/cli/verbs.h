// The verbs of the command line, one function each in its cmd_*.cc, and the table that names them.
//
// Shape     A verb takes the words after its name and gives the process's exit status; an error
//           becomes one line on stderr and the exit status of its code (main.cc).
// Threads   One verb runs in a process.
#pragma once

#include <span>
#include <string_view>

#include "ddsnap/base/result.h"
#include "ddsnap/cli/argument_parser.h"

namespace ddsnap {

struct Verb {
  std::string_view name;
  Result<int> (*run)(Arguments);
  std::string_view
      summary;  // for `ddsnap --help`; empty: an action or an older spelling, not listed
};

// In the order in which `ddsnap --help` lists them.
std::span<const Verb> all_verbs();
// Null when there is none. "delta create", "volume create" and their like are one name.
const Verb* find_verb(std::string_view name);

Result<int> cmd_volume(Arguments arguments);
Result<int> cmd_volume_create(Arguments arguments);
Result<int> cmd_volume_remove(Arguments arguments);
Result<int> cmd_volume_list(Arguments arguments);
Result<int> cmd_volume_start(Arguments arguments);
Result<int> cmd_volume_stop(Arguments arguments);
Result<int> cmd_volume_serve(Arguments arguments);
Result<int> cmd_volume_attach(Arguments arguments);
Result<int> cmd_volume_detach(Arguments arguments);
Result<int> cmd_initialize(Arguments arguments);
Result<int> cmd_agent(Arguments arguments);
Result<int> cmd_server(Arguments arguments);
Result<int> cmd_create(Arguments arguments);
Result<int> cmd_delete(Arguments arguments);
Result<int> cmd_list(Arguments arguments);
Result<int> cmd_status(Arguments arguments);
Result<int> cmd_events(Arguments arguments);
Result<int> cmd_heatmap(Arguments arguments);
Result<int> cmd_graph(Arguments arguments);
Result<int> cmd_metrics(Arguments arguments);
Result<int> cmd_web(Arguments arguments);
Result<int> cmd_priority(Arguments arguments);
Result<int> cmd_usecount(Arguments arguments);
Result<int> cmd_attach(Arguments arguments);
Result<int> cmd_detach(Arguments arguments);
Result<int> cmd_mount(Arguments arguments);
Result<int> cmd_umount(Arguments arguments);
Result<int> cmd_create_cl(Arguments arguments);
Result<int> cmd_create_delta(Arguments arguments);
Result<int> cmd_apply_delta(Arguments arguments);
Result<int> cmd_merge_delta(Arguments arguments);
Result<int> cmd_digest(Arguments arguments);
Result<int> cmd_compare(Arguments arguments);
Result<int> cmd_export(Arguments arguments);
Result<int> cmd_import(Arguments arguments);
Result<int> cmd_transmit(Arguments arguments);
Result<int> cmd_listen(Arguments arguments);
Result<int> cmd_send(Arguments arguments);
Result<int> cmd_receive(Arguments arguments);
Result<int> cmd_rollback(Arguments arguments);
Result<int> cmd_revert(Arguments arguments);
Result<int> cmd_resize(Arguments arguments);
Result<int> cmd_inspect(Arguments arguments);
Result<int> cmd_verify(Arguments arguments);
Result<int> cmd_check(Arguments arguments);
Result<int> cmd_repair(Arguments arguments);
Result<int> cmd_dump(Arguments arguments);
Result<int> cmd_rotate(Arguments arguments);
Result<int> cmd_replicate(Arguments arguments);
Result<int> cmd_config(Arguments arguments);

}  // namespace ddsnap
