#include "ddsnap/cli/verbs.h"

#include <algorithm>

namespace ddsnap {

namespace {

constexpr Verb kVerbs[] = {
    {"volume", cmd_volume, "set up a volume in one step, remove it, list them"},
    {"initialize", cmd_initialize, "write an empty snapstore for an origin"},
    {"agent", cmd_agent, "run the agent, which introduces targets to servers"},
    {"server", cmd_server, "run the server of one volume"},
    {"create", cmd_create, "take a snapshot"},
    {"delete", cmd_delete, "delete a snapshot"},
    {"list", cmd_list, "list the snapshots"},
    {"status", cmd_status, "tell how a volume, its snapshots and its targets are"},
    {"events", cmd_events, "follow what happens to a volume"},
    {"heatmap", cmd_heatmap, "draw which parts of a volume change, and when"},
    {"graph", cmd_graph, "draw who holds the room in the snapstore"},
    {"metrics", cmd_metrics, "write what is known of volumes for Prometheus"},
    {"web", cmd_web, "serve a page that shows volumes"},
    {"priority", cmd_priority, "set which snapshots are given up last"},
    {"usecount", cmd_usecount, "hold or release a snapshot"},
    {"attach", cmd_attach, "make a block device of the origin or of a snapshot"},
    {"detach", cmd_detach, "end such a device, or declare a lost target gone"},
    {"mount", cmd_mount, "mount the origin or a snapshot"},
    {"umount", cmd_umount, "unmount it, and end its device"},
    {"create-cl", cmd_create_cl, "write the list of chunks that differ between two snapshots"},
    {"create-delta", cmd_create_delta, "write the content of those chunks, compressed"},
    {"apply-delta", cmd_apply_delta, "turn a copy of the older snapshot into the newer one"},
    {"merge-delta", cmd_merge_delta, "make one delta of several that follow on each other"},
    {"digest", cmd_digest, "write a hash of each chunk of a device"},
    {"compare", cmd_compare, "print where two devices differ"},
    {"export", cmd_export, "write a delta as another program's stream (Ceph RBD)"},
    {"import", cmd_import, "make a delta from such a stream"},
    {"transmit", cmd_transmit, "send a snapshot to another machine"},
    {"listen", cmd_listen, "receive what other machines send"},
    {"send", cmd_send, "write what turns one snapshot into another to a pipe"},
    {"receive", cmd_receive, "apply it from a pipe, and take the same snapshot"},
    {"rollback", cmd_rollback, "give the origin back what it held at a snapshot"},
    {"revert", cmd_revert, "the same, and keep the present state as a snapshot"},
    {"resize", cmd_resize, "use what the devices of a volume have grown by"},
    {"rotate", cmd_rotate, "take and drop snapshots by a volume's schedule"},
    {"replicate", cmd_replicate, "apply what came in, send what is due"},
    {"config", cmd_config, "check the configurations of volumes"},
    {"inspect", cmd_inspect, "tell what a changelist or delta file holds"},
    {"verify", cmd_verify, "check a delta, perhaps against a device"},
    {"check", cmd_check, "verify a snapstore, and say which snapshots are hurt"},
    {"repair", cmd_repair, "make a damaged snapstore one that can be served"},
    {"dump", cmd_dump, "print all metadata of a snapstore as JSON"},
    // actions of "volume"
    {"volume create", cmd_volume_create, {}},
    {"volume remove", cmd_volume_remove, {}},
    {"volume list", cmd_volume_list, {}},
    {"volume start", cmd_volume_start, {}},
    {"volume stop", cmd_volume_stop, {}},
    {"volume serve", cmd_volume_serve, {}},
    {"volume attach", cmd_volume_attach, {}},
    {"volume detach", cmd_volume_detach, {}},
    // older spellings
    {"create-snap", cmd_create, {}},
    {"create-snapshot", cmd_create, {}},
    {"delete-snap", cmd_delete, {}},
    {"delta changelist", cmd_create_cl, {}},
    {"delta create", cmd_create_delta, {}},
    {"delta apply", cmd_apply_delta, {}},
};

}  // namespace

std::span<const Verb> all_verbs() {
  return kVerbs;
}

const Verb* find_verb(std::string_view name) {
  const auto found = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                  [&](const Verb& verb) { return verb.name == name; });
  return found == std::end(kVerbs) ? nullptr : found;
}

}  // namespace ddsnap
