# Shows the ladder (S10) on devices that really fail, under the kernel target: a sector of the origin that
# cannot be read, a snapstore whose slots take no writes, one that is all errors, and both policies; and the
# administrator's way back.
# disks: 32M 64M
# modules: dm-flakey
# timeout: 900
. /lib.sh
origin=/dev/mapper/orig store=/dev/mapper/store

plain() { echo "0 $(sectors "$1") linear $1 0"; }
switch() {
  dmsetup load "$1" --table "$2"
  dmsetup suspend --noflush --nolockfs "$1"
  dmsetup resume "$1"
}
# rest_is DEVICE SECTOR TARGET...: as it is up to a sector, and from there on something else
rest_is() {
  device=$1 from=$2
  shift 2
  printf '0 %s linear %s 0\n%s %s %s\n' "$from" "$device" "$from" "$(($(sectors "$device") - from))" "$*"
}
stop_server() {
  kill "$(cat /tmp/server.pid)"
  wait_for 20 test ! -e /tmp/server.pid || die "the server does not end"
}
state() { ddsnap status --json $server | sed -n 's/.*"state": "\(.*\)",/\1/p' | head -n 1; }
chunk() { dd if="$1" bs=16k skip="$2" count=1 iflag=direct 2>/dev/null; }
put() { dd if=/dev/urandom of=/dev/mapper/vol bs=16k seek="$1" count="${2:-1}" oflag=direct 2>/dev/null; }
server_with() { ddsnap server -l /tmp/server.log -p /tmp/server.pid "$@" $store $origin $control $server; }

dd if=/dev/urandom of=/dev/vda bs=1M count=32 2>/dev/null
dmsetup create orig --table "$(plain /dev/vda)"
dmsetup create store --table "$(plain /dev/vdb)"
ddsnap initialize -y $store $origin
slots=$(ddsnap dump $store | sed -n 's/.*"slots_offset_bytes": *\([0-9]*\).*/\1/p' | head -n 1)
start_agent
server_with
map vol $store $origin origin

say "a sector of the origin that cannot be read"
ddsnap create $server 0
map snap $store $origin 0
before=$(chunk $origin 101 | sha1sum)
after=$(($(sectors /dev/vda) - 3208))
if dmsetup create probe --table "0 8 flakey /dev/vda 3200 0 1 1 error_reads" 2>/dev/null; then
  dmsetup remove probe
  switch orig "$(printf '0 3200 linear /dev/vda 0\n3200 8 flakey /dev/vda 3200 0 1 1 error_reads\n3208 %s linear /dev/vda 3208' $after)"
  chunk $origin 100 >/dev/null && die "the sector can be read"
  put 100 2 || die "the write that mends the sector was refused"
  chunk /dev/mapper/snap 100 >/dev/null && die "the snapshot serves a chunk that nobody could read"
  same "$(chunk /dev/mapper/snap 101 | sha1sum)" "$before" "its neighbour"
  ddsnap status $server | grep -q '1 chunks of snapshots are lost' || die "status does not say so"
  same "$(state)" works state
  switch orig "$(plain /dev/vda)"
else
  say "(this kernel's flakey cannot fail reads alone)"
fi

say "an origin that is all errors costs its snapshots nothing"
switch orig "0 $(sectors /dev/vda) error"
put 300 && die "a write to a dead device succeeded"
switch orig "$(plain /dev/vda)"
lost=$(ddsnap status --json $server | sed -n 's/.*"lost_chunks": \([0-9]*\).*/\1/p')
[ "$lost" -le 1 ] || die "$lost chunks were given up"
put 300 || die "the origin does not go on"

say "slots that take no writes: snapshots lost, tracking only"
# Not flakey: that fails flushes of the whole device too.
switch store "$(rest_is /dev/vdb $((slots / 512)) error)"
put 400 || die "the origin's writer got an error"
same "$(state)" "snapshots lost, tracking only" state
chunk /dev/mapper/snap 1 >/dev/null && die "a lost snapshot was read"
ddsnap create $server 1 2>/dev/null && die "a new snapshot was made"
ddsnap create --bookmark $server mark || die "no bookmark"
put 401 || die "the origin's writer got an error after the bookmark"
same "$(hash_direct /dev/mapper/vol)" "$(hash_direct $origin)" "the origin"
dmsetup remove snap
stop_server
switch store "$(plain /dev/vdb)"
server_with
same "$(state)" "snapshots lost, tracking only" "state after a restart"
stop_server
server_with --resume
same "$(state)" works "state after --resume"
wait_for 20 ddsnap create $server 2 || die "no new snapshot"
now=$(hash_direct $origin)
put 500 8
map snap $store $origin 2
same "$(hash_direct /dev/mapper/snap)" "$now" "the next snapshot"

say "a snapstore that is all errors: closed, the origin goes on"
switch store "0 $(sectors /dev/vdb) error"
put 600 || die "the origin's writer got an error"
same "$(state)" closed state
chunk /dev/mapper/snap 1 >/dev/null && die "a snapshot was read without its store"
put 601 || die "the origin's writer got an error later"
dmsetup remove snap
stop_server || true
server_with 2>/tmp/refused && die "a server started over a closed store"
cat /tmp/refused
dmsetup remove vol

say "the origin without its store, by order"
server_with --without-store
map vol $store $origin origin
put 602 || die "the origin cannot be written"
same "$(state)" closed "state without the store"
dmsetup remove vol
stop_server
switch store "$(plain /dev/vdb)"
server_with 2>/dev/null && die "a store that was written around was taken for a good one"
server_with --resume
same "$(state)" works "state after --resume"
ddsnap list $server
map vol $store $origin origin

say "the other policy: first writes get errors, snapshots stay"
stop_server
server_with --on-store-failure stop
wait_for 20 ddsnap create $server 3 || die "no new snapshot"
now=$(hash_direct $origin)
put 10
map snap $store $origin 3
switch store "0 $(sectors /dev/vdb) flakey /dev/vdb 0 0 1 1 error_writes"
put 11 && die "a first write succeeded"
put 10 || die "a granted chunk was refused"
same "$(hash_direct /dev/mapper/snap)" "$now" "snapshot 3 on the failing store"
dmsetup remove snap
stop_server || true
switch store "$(plain /dev/vdb)"
server_with --resume
map snap $store $origin 3
same "$(hash_direct /dev/mapper/snap)" "$now" "snapshot 3 after --resume"
wait_for 20 put 11 || die "a first write is still refused"
same "$(hash_direct /dev/mapper/snap)" "$now" "snapshot 3 after more writes"
dmsetup remove snap
dmsetup remove vol
ddsnap status $server
