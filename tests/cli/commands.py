"""The one list of all verbs that every test of the command line goes through.

Each entry tells a verb's name, a call that would be right, and what its words are:
  {server}      socket of a server           {tag}       tag of a snapshot
  {delta}       a delta file, read           {changelist} a changelist file, read
  {device}      a device, read               {target}    a device, written
  {digest}      a digest, read              {stream}      a stream of Ceph's, read
  {out}         a file, made                 {store}     a snapstore, written
  {control}     socket of an agent           anything else stands for itself
A verb that `ddsnap --help` names and that is not here fails the tests.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Command:
    verb: str
    words: tuple
    # Exit status when the first object does not exist.
    missing: int = 4
    # Whether any number of words may follow.
    takes_many: bool = False


COMMANDS = [
    Command("volume", ("create", "vol0", "--config", "etc", "--origin", "{device}", "--snapstore", "{store}")),
    Command("initialize", ("{store}", "{device}")),
    Command("agent", ("-f", "{control}")),
    Command("server", ("-f", "{store}", "{device}", "{control}", "{server}")),
    Command("create", ("{server}", "{tag}")),
    Command("delete", ("{server}", "{tag}")),
    Command("list", ("{server}",)),
    Command("status", ("{server}",)),
    Command("events", ("--once", "{server}")),
    Command("heatmap", ("-o", "{out}.svg", "{server}")),
    Command("graph", ("-o", "{out}.svg", "space", "{server}")),
    Command("metrics", ("-o", "{out}", "{server}"), takes_many=True),
    Command("web", ("--listen", "localhost:0", "{server}"), takes_many=True),
    Command("priority", ("{server}", "{tag}", "5")),
    Command("usecount", ("{server}", "{tag}", "-1")),
    Command("attach", ("{server}", "{tag}")),
    Command("detach", ("--force", "{server}", "label")),
    Command("mount", ("{server}", "{tag}", ".")),
    Command("umount", ("dir",)),
    Command("create-cl", ("{server}", "{out}", "{tag}", "now")),
    Command("create-delta", ("{changelist}", "{out}", "{device}", "{device2}")),
    Command("apply-delta", ("{delta}", "{target}")),
    Command("merge-delta", ("{delta}", "{delta}", "{out}"), takes_many=True),
    Command("digest", ("{device}", "{out}")),
    Command("compare", ("{device}", "{device2}")),
    Command("export", ("--format", "rbd-diff-v1", "--from-name", "a", "--base", "{device}", "{delta}",
                       "{out}")),
    Command("import", ("{stream}", "{out}")),
    Command("transmit", ("{server}", "localhost:1", "{tag}")),
    Command("listen", ("-f", "localhost:0", "vol=dev")),
    Command("send", ("{server}", "{tag}")),
    Command("receive", ("{server}",)),
    Command("rollback", ("{server}", "{tag}")),
    Command("revert", ("{server}", "{tag}")),
    Command("resize", ("{server}",)),
    Command("rotate", ("vol0",)),
    Command("replicate", ("vol0",)),
    Command("config", ("check", "vol0")),
    Command("inspect", ("{delta}",)),
    Command("verify", ("{delta}", "{device}")),
    Command("check", ("{store}", "{device}")),
    Command("repair", ("{store}", "{device}")),
    Command("dump", ("{store}",)),
]

# Further right calls of the verbs above, for the tests of missing and damaged objects.
VARIANTS = [
    Command("create-cl", ("--digest", "{digest}", "{out}", "{device}")),
    Command("merge-delta", ("--base", "{device}", "{delta}", "{delta}", "{out}"), takes_many=True),
    Command("create-cl", ("--compare", "{out}", "{device}", "{device2}")),
    Command("create-delta", ("--full", "{out}", "{device}")),
    Command("create-delta", ("-r", "{changelist}", "{out}", "{device}")),
    Command("inspect", ("{changelist}",)),
    Command("inspect", ("{digest}",)),
    Command("verify", ("{delta}",)),
    Command("send", ("{server}", "{tag}", "{tag}")),
    Command("receive", ("{target}",)),
    Command("check", ("{server}",)),
    Command("status", ("--size", "{server}")),
    Command("status", ("--list", "{server}")),
    Command("status", ("--last", "{server}")),
    Command("status", ("--state", "{tag}", "{server}"), missing=9),
    Command("delta changelist", ("{server}", "{out}", "{tag}", "now")),
    Command("delta create", ("{changelist}", "{out}", "{device}", "{device2}")),
    Command("delta apply", ("{delta}", "{target}")),
    Command("create-snap", ("{server}", "{tag}")),
    Command("volume remove", ("--config", "etc", "vol0")),
    Command("volume start", ("--config", "etc", "vol0")),
    Command("volume stop", ("--config", "etc", "vol0")),
    Command("volume serve", ("--config", "etc", "vol0")),
    Command("volume attach", ("--config", "etc", "vol0")),
    Command("volume detach", ("--config", "etc", "vol0")),
]

# What has help of its own beside the verbs.
ACTIONS = ["volume create", "volume remove", "volume list", "volume start", "volume stop", "volume serve",
           "volume attach", "volume detach"]
