# Shows that ext4, xfs and btrfs live on the origin, that a snapshot taken under load mounts (its journal is
# replayed into its own private chunks), holds what was synced before, and that fsck finds all of them clean.
# disks: 320M 512M
# modules: xfs btrfs
# programs: mke2fs e2fsck mkfs.xfs xfs_repair mkfs.btrfs btrfs
# timeout: 600
# memory: 768
. /lib.sh
origin=/dev/vda store=/dev/vdb

serve
mkdir -p /mnt/vol /mnt/snap
load() {
  while [ ! -e /tmp/stop ]; do dd if=/dev/urandom of=/mnt/vol/load bs=64k count=64 conv=fsync 2>/dev/null; done
}
stop_load() {
  touch /tmp/stop
  wait $load
  rm /tmp/stop
}

run_fs() {  # run_fs TYPE OPTIONS CHECK MKFS...
  type=$1 options=$2 check=$3
  shift 3
  say "$type"
  "$@" /dev/mapper/vol >/dev/null
  mount -t "$type" /dev/mapper/vol /mnt/vol
  cp -r /etc /test.sh /mnt/vol
  sync
  load &
  load=$!
  usleep 500000
  ddsnap create $server "$type"
  map snap $store $origin "$type"
  # xfs and btrfs know file systems by their uuid, and the origin's is mounted.
  [ "$type" = ext4 ] || { stop_load; umount /mnt/vol; }
  mount -t "$type" -o "$options" /dev/mapper/snap /mnt/snap
  cmp /test.sh /mnt/snap/test.sh
  echo new >/mnt/snap/new
  umount /mnt/snap
  if [ "$type" = ext4 ]; then
    stop_load
    [ ! -e /mnt/vol/new ] || die "the snapshot's file is in the origin"
    umount /mnt/vol
  fi
  $check /dev/mapper/vol || die "$type: the origin is not clean"
  $check /dev/mapper/snap || die "$type: the snapshot is not clean"
  dmsetup remove snap
}
run_fs ext4 rw 'e2fsck -fn' mke2fs -q -t ext4 -F
run_fs xfs nouuid 'xfs_repair -n' mkfs.xfs -q -f
run_fs btrfs rw 'btrfs check' mkfs.btrfs -q -f
dmsetup message vol 0 stats
dmsetup remove_all
