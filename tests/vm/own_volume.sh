# Shows that a server whose log, socket, process id or snapstore would live on the very volume it serves is refused
# (T9, timeline 17), also through a device stacked on it; and that a server with its files elsewhere then
# finds the parked writes of that volume's file system.
# disks: 32M 64M
# programs: mke2fs
# timeout: 300
. /lib.sh
origin=/dev/vda store=/dev/vdb

serve
dmsetup create stacked --table "0 $(sectors $origin) linear /dev/mapper/vol 0"
mke2fs -q -t ext4 -F /dev/mapper/stacked
mount -t ext4 /dev/mapper/stacked /mnt
dd if=/dev/zero of=/mnt/store bs=1M count=8 2>/dev/null
sync
ddsnap create $server 0
kill -9 "$(cat /tmp/server.pid)"

refused() {  # refused SENTENCE ARGUMENTS...
  sentence=$1
  shift
  if timeout 30 ddsnap server "$@" >/tmp/refusal 2>&1; then die "not refused: $*"; fi
  cat /tmp/refusal
  grep -q "$sentence" /tmp/refusal || die "refused for another reason: $*"
}
refused 'on the origin' -l /mnt/log -p /tmp/server.pid $store $origin $control $server
refused 'on the origin' -l /tmp/server.log -p /mnt/pid $store $origin $control $server
refused 'on the origin' -l /tmp/server.log -p /tmp/server.pid $store $origin $control /mnt/server
refused 'origin' -l /tmp/server.log -p /tmp/server.pid /mnt/store $origin $control $server
(echo parked >/mnt/file && sync) &
writer=$!
start_server $store $origin
wait $writer || die "the parked write failed"
umount /mnt
dmsetup remove stacked
dmsetup remove vol
