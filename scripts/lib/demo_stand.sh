# shellcheck shell=bash disable=SC2154 # folder, ddsnap, plugin, is_kept are the demo's
# The demo's volume and daemons: how they start, and how all of it is gone in the end.

volume_bytes=$((256 << 20))
snapstore_bytes=$((256 << 20))
patience_s=60

# Nothing, or the reason why not, and then it fails.
can_mount() {
  if [ "$(id -u)" != 0 ]; then echo "mounting wants root"; return 1; fi
  if ! { : <>/dev/fuse; } 2>/dev/null; then echo "/dev/fuse is not to be had"; return 1; fi
  if ! losetup -f >/dev/null 2>&1; then echo "there is no loop device"; return 1; fi
}

start_stand() {
  server=$folder/server
  truncate -s "$volume_bytes" "$folder/origin.img"
  truncate -s "$snapstore_bytes" "$folder/snapstore.img"
  "$ddsnap" initialize "$folder/snapstore.img" "$folder/origin.img"
  "$ddsnap" agent -l "$folder/agent.log" -p "$folder/agent.pid" "$folder/control"
  "$ddsnap" server -l "$folder/server.log" -p "$folder/server.pid" \
    "$folder/snapstore.img" "$folder/origin.img" "$folder/control" "$server"
  # Sessions of their own, so that Ctrl-C reaches the demo alone.
  setsid nbdkit -P "$folder/nbdkit.pid" -U "$folder/nbd" "$plugin" \
    snapstore="$folder/snapstore.img" origin="$folder/origin.img" control="$folder/control"
}

uri() { echo "nbd+unix:///$1?socket=$folder/nbd"; }

attach() { # attach EXPORT NAME: the export as the one file $folder/NAME.disk/nbd
  mkdir "$folder/$2.disk"
  setsid nbdfuse -P "$folder/$2.pid" "$folder/$2.disk/nbd" "$(uri "$1")" &
  wait_for "nbdfuse" test -s "$folder/$2.pid"
}

detach() { # detach NAME
  local pid
  pid=$(cat "$folder/$1.pid")
  fusermount3 -u "$folder/$1.disk"
  wait_for "the end of nbdfuse" is_gone "$pid"
}

wait_for() { # wait_for WHAT COMMAND...: until it succeeds
  local what=$1 end=$((SECONDS + patience_s))
  shift
  until "$@"; do
    if [ $SECONDS -ge $end ]; then
      echo "demo: waited $patience_s s in vain for $what" >&2
      return 1
    fi
    sleep 0.05
  done
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

stop_daemon() { # stop_daemon PIDFILE
  local pid
  [ -s "$1" ] && pid=$(cat "$1") || return 0
  kill "$pid" 2>/dev/null || return 0
  wait_for "the end of $1" is_gone "$pid" || kill -9 "$pid"
}

unmount_all() {
  local mounted
  for mounted in $(awk -v f="$folder/" 'index($2, f) == 1 { print $2 }' /proc/mounts | tac); do
    umount "$mounted" 2>/dev/null || fusermount3 -u "$mounted" 2>/dev/null || umount -l "$mounted"
  done
}

clean_up() {
  local status=$? name
  trap - EXIT
  trap '' INT TERM HUP
  set +e
  stop_writer
  unmount_all
  for name in nbdkit server agent; do stop_daemon "$folder/$name.pid"; done
  [ "$status" = 0 ] || echo "demo: FAILED with status $status, after the last line above" >&2
  if [ "$is_kept" = yes ]; then
    printf '\nkept: %s\n' "$folder"
  else
    rm -rf "$folder"
  fi
  exit "$status"
}
