# Shows that a kernel target finds agent and server again where only the loader of its table could see them: below
# a chroot, in a private mount name space, by abstract names in a network name space; and that `reconnect`
# moves it to another one. Both daemons are killed -9 and restarted each time, under a writer (T3).
# disks: 16M 64M
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb

# A script that does one thing, for all the ways of running it elsewhere.
cat >/tmp/do <<'EOF'
. /lib.sh
control=$CONTROL server=$SERVER origin=/dev/vda store=/dev/vdb
case $1 in
  up) start_agent && start_server $store $origin ;;
  agent) start_agent ;;
  server) start_server $store $origin ;;
  map) map vol $store $origin origin ;;
  create) ddsnap create $server $2 ;;
  reconnect) dmsetup message vol 0 reconnect ;;
esac
EOF
state_is() { dmsetup status vol | grep -q "origin $1 "; }
write_one() { dd if=/dev/urandom of=/dev/mapper/vol bs=16k seek="$1" count=1 oflag=direct 2>/dev/null; }
# The pid files are in /tmp, which all of them share.
kill_both() {
  kill -9 "$(cat /tmp/server.pid)" "$(cat /tmp/agent.pid)"
  wait_for 20 state_is searching || die "the line did not break"
}
# restarts NAME: with "elsewhere" to run things there
restarts() {
  elsewhere map || die "$1: no target"
  elsewhere create "$1" || die "$1: no snapshot"
  round=0
  while [ $round -lt 3 ]; do
    round=$((round + 1))
    kill_both
    write_one $round &
    writer=$!
    elsewhere up
    wait $writer || die "$1: a write failed in round $round"
    kill -9 "$(cat /tmp/server.pid)"
    elsewhere server
    write_one 10$round || die "$1: a write failed after the server's restart in round $round"
    wait_for 30 elsewhere create "$1-$round" || die "$1: no snapshot in round $round"
  done
}
finish() {
  dmsetup remove vol
  kill "$(cat /tmp/server.pid)" "$(cat /tmp/agent.pid)"
  wait_for 20 sh -c '! pidof ddsnap' || die "a daemon does not end"
}

ddsnap initialize -y $store $origin

say "below a chroot"
mkdir -p /jail
mount -t tmpfs jail /jail
for folder in bin dev proc sys lib lib64 usr tmp run etc; do
  [ -d /$folder ] || continue
  mkdir -p /jail/$folder
  [ $folder = run ] || mount --bind /$folder /jail/$folder
done
cp /lib.sh /jail/
export CONTROL=/run/control SERVER=/run/server
elsewhere() { chroot /jail /bin/sh -eu /tmp/do "$@"; }
elsewhere up
restarts chroot
[ ! -e /run/control ] || die "the control socket is not below the chroot"
finish
umount /jail/* 2>/dev/null || true
umount /jail || die "the chroot's directory is still kept"

say "in a private mount name space"
export CONTROL=/mnt/control SERVER=/mnt/server
unshare -m sh -c 'mount -t tmpfs private /mnt; echo $$ >/tmp/keeper; exec tail -f /dev/null' &
wait_for 10 test -s /tmp/keeper || die "no keeper of a name space"
elsewhere() { nsenter -t "$(cat /tmp/keeper)" -m /bin/sh -eu /tmp/do "$@"; }
wait_for 10 nsenter -t "$(cat /tmp/keeper)" -m grep -q ' /mnt ' /proc/mounts || die "no name space"
elsewhere up
restarts mounts
[ ! -e /mnt/control ] || die "the control socket is not private"

say "another one: reconnect"
kill_both
kill "$(cat /tmp/keeper)"
rm /tmp/keeper
unshare -m sh -c 'mount -t tmpfs private /mnt; echo $$ >/tmp/keeper; exec tail -f /dev/null' &
wait_for 10 test -s /tmp/keeper || die "no keeper of a name space"
wait_for 10 nsenter -t "$(cat /tmp/keeper)" -m grep -q ' /mnt ' /proc/mounts || die "no name space"
elsewhere up
elsewhere reconnect || die "reconnect in the new name space"
wait_for 10 state_is up || die "not reconnected"
kill_both
elsewhere up
write_one 200 || die "a write after the new daemons' restart"
finish
kill "$(cat /tmp/keeper)"

if [ -e /proc/self/ns/net ]; then
  say "by abstract names in a network name space"
  export CONTROL=@control SERVER=@server
  rm -f /tmp/keeper
  unshare -n sh -c 'echo $$ >/tmp/keeper; exec tail -f /dev/null' &
  wait_for 10 test -s /tmp/keeper || die "no keeper of a name space"
  elsewhere() { nsenter -t "$(cat /tmp/keeper)" -n /bin/sh -eu /tmp/do "$@"; }
  elsewhere up
  restarts net
  finish
  kill "$(cat /tmp/keeper)"
fi
