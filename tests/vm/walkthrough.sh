# Shows the walkthrough of the README of 2006, in its order, with both of its bootstrap strategies: what was
# downstream is byte for byte upstream's snapshot 1 in the end.
# disks: 32M 64M 32M 64M
# programs: mke2fs e2fsck
# timeout: 600
. /lib.sh
up_origin=/dev/vda up_store=/dev/vdb down_origin=/dev/vdc down_store=/dev/vdd

# side NAME ORIGIN STORE: devices, agent, server and the volume /dev/mapper/NAME
side() {
  ln -sf "$3" /dev/test-snapstore-"$1"
  ln -sf "$2" /dev/test-origin-"$1"
  ddsnap initialize -y /dev/test-snapstore-"$1" /dev/test-origin-"$1"
  ddsnap agent -l /tmp/agent."$1".log -p /tmp/agent."$1".pid /tmp/control."$1"
  ddsnap server -l /tmp/server."$1".log -p /tmp/server."$1".pid /dev/test-snapstore-"$1" \
    /dev/test-origin-"$1" /tmp/control."$1" /tmp/server."$1"
  echo "0 $(sectors "$2") ddsnap /dev/test-snapstore-$1 /dev/test-origin-$1 /tmp/control.$1 -1" |
    dmsetup create "$1"
}
# snapshot SIDE TAG: its device is /dev/mapper/SIDE-snapshotTAG
snapshot() {
  ddsnap create-snap /tmp/server."$1" "$2"
  echo "0 $(sectors /dev/test-origin-"$1") ddsnap /dev/test-snapstore-$1 /dev/test-origin-$1 /tmp/control.$1 $2" |
    dmsetup create "$1-snapshot$2"
}
end() {
  for name in vol-snapshot0 vol-snapshot1 vol-snapshot2 down-snapshot0 down-snapshot1 down-snapshot2 vol down; do
    [ ! -e /dev/mapper/$name ] || dmsetup remove $name
  done
  kill $(cat /tmp/server.vol.pid /tmp/server.down.pid /tmp/agent.vol.pid /tmp/agent.down.pid)
  wait_for 20 not_running ddsnap
  # The next downstream is another machine: it remembers no delta.
  rm -rf /tmp/changelist* /tmp/delta* /var/lib/ddsnap
}
refused() {
  if ddsnap "$@" 2>/tmp/refusal; then die "not refused: ddsnap $*"; fi
  cat /tmp/refusal
}
not_running() { ! pidof "$1"; }
change() {
  mount -t ext4 /dev/mapper/vol /mnt
  cp -r "$@" /mnt
  umount /mnt
}
# delta FROM TO: from upstream to downstream
delta() {
  ddsnap create-cl /tmp/server.vol /tmp/changelist"$1-$2" "$1" "$2"
  ddsnap create-delta -r /tmp/changelist"$1-$2" /tmp/delta"$1-$2" /dev/mapper/vol-snapshot"$1" \
    /dev/mapper/vol-snapshot"$2"
  # The live volume, or the two the wrong way round, are not what the list names (D5, timeline 16).
  refused create-delta /tmp/changelist"$1-$2" /tmp/wrong /dev/mapper/vol-snapshot"$1" /dev/mapper/vol
  refused create-delta /tmp/changelist"$1-$2" /tmp/wrong /dev/mapper/vol-snapshot"$2" /dev/mapper/vol-snapshot"$1"
  ddsnap apply-delta /tmp/delta"$1-$2" /dev/mapper/down
  snapshot down "$2"
  cmp /dev/mapper/vol-snapshot"$2" /dev/mapper/down-snapshot"$2"
  same "$(hash_direct /dev/mapper/vol-snapshot"$2")" "$(hash_direct /dev/mapper/down-snapshot"$2")" \
    "snapshot $2 upstream"
}

say "strategy 1: zeroed devices, deltas alone"
dd if=/dev/zero of=$up_origin bs=1M count=32 2>/dev/null
dd if=/dev/zero of=$down_origin bs=1M count=32 2>/dev/null
side vol $up_origin $up_store
side down $down_origin $down_store
snapshot vol 0
mke2fs -q -t ext3 -F /dev/mapper/vol
snapshot vol 1
delta 0 1
say "and on: files, snapshot 2"
change /etc /test.sh
snapshot vol 2
delta 1 2
mount -t ext4 -o ro /dev/mapper/down-snapshot2 /mnt
cmp /test.sh /mnt/test.sh
umount /mnt
e2fsck -fn /dev/mapper/down-snapshot2
end

say "strategy 2: the whole device, by dd"
dd if=/dev/urandom of=$up_origin bs=1M count=32 2>/dev/null
mke2fs -q -t ext3 -F $up_origin
dd if=$up_origin bs=1M 2>/dev/null | dd of=$down_origin bs=1M conv=fsync 2>/dev/null
side vol $up_origin $up_store
side down $down_origin $down_store
snapshot vol 0
change /etc /bin/busybox
snapshot vol 1
delta 0 1
end
