# What the tests of tests/vm share; sourced by them, in the guest's busybox shell.
control=/tmp/control
server=/tmp/server

# The shell would prefer its own small one.
mke2fs() { /bin/mke2fs "$@"; }

say() { echo "--- $*"; }
die() {
  echo "vm: $*"
  tail -n 20 /tmp/*.log 2>/dev/null
  dmsetup status
  exit 1
}
sectors() { blockdev --getsz "$1"; }

# start_agent [CONTROL]
start_agent() { ddsnap agent -l /tmp/agent.log -p /tmp/agent.pid "${1:-$control}"; }
# start_server SNAPSTORE ORIGIN
start_server() { ddsnap server -l /tmp/server.log -p /tmp/server.pid "$1" "$2" "$control" "$server"; }
# map NAME SNAPSTORE ORIGIN TAG
map() { dmsetup create "$1" --table "0 $(sectors "$3") ddsnap $2 $3 $control $4"; }
# serve [OPTIONS of initialize]: a new snapstore on $store for $origin, its daemons, and the origin as /dev/mapper/vol
serve() {
  ddsnap initialize -y "$@" "$store" "$origin"
  start_agent
  start_server "$store" "$origin"
  map vol "$store" "$origin" origin
}
hash_of() { sha1sum <"$1" | cut -d' ' -f1; }
hash_direct() { dd if="$1" bs=1M iflag=direct 2>/dev/null | sha1sum | cut -d' ' -f1; }
# wait_for SECONDS COMMAND...
wait_for() {
  local left=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || return 1
    usleep 100000
  done
}
# requests DISK: reads, writes, discards and flushes completed, merged ones counted as issued
requests() { awk '{ print $1 + $2 + $5 + $6 + $12 + $16 }' "/sys/block/$1/stat"; }
# Waits until nothing has been asked of DISK... for a third of a second.
settle() {
  local seen now=
  while :; do
    seen=$now now=
    for disk in "$@"; do now="$now $(requests "$disk")"; done
    [ "$seen" != "$now" ] || return 0
    usleep 300000
  done
}
same() { [ "$1" = "$2" ] || die "$3: $1 is not $2"; }
# field N of `dmsetup message NAME 0 stats` by its name
stat_of() { dmsetup message "$1" 0 stats | sed -n "s/.* $2 \([0-9]*\).*/\1/p"; }
