# What snapshots themselves cost on ddsnap, dm-snapshot and dm-thin, in one boot, taking turns: to take and to drop one, to read one
# whole, and trees of files unpacked with a snapshot before each. Prints one line a measurement, for kernel_snapshots_bench.py.
# disks: 256M 2G
# modules: dm-snapshot dm-thin-pool
# programs: fio mke2fs
# timeout: 7200
# memory: 1024
#
# Told by -e: ROUNDS, and SYSTEMS as in systems.sh. /tree.tar is what is unpacked.
. /lib.sh
spare=12 # snapshots that are taken here
. /systems.sh

# timed WHAT TIMES COMMAND...: the command so many times
timed() {
  local what=$1 times=$2 i=0 start end
  shift 2
  sync
  start=$(cut -d' ' -f1 /proc/uptime)
  while [ $i -lt "$times" ]; do
    "$@" >/dev/null
    i=$((i + 1))
  done
  end=$(cut -d' ' -f1 /proc/uptime)
  echo "BENCH $system $round $what $times $start $end"
}
unpack() {
  ${kind}_take
  mkdir "/mnt/$i" # $i: of timed
  tar -xf /tree.tar -C "/mnt/$i"
  sync
}

measure_all() {
  view=$volume
  if [ "$kind" != linear ]; then
    timed take 6 ${kind}_take
    timed drop 6 ${kind}_drop
    ${kind}_open
    view=/dev/mapper/view
  fi
  fio_on $view read-whole --rw=read --bs=64k --iodepth=16 --loops=4
  fio --name=tenth --filename=$volume --direct=1 --rw=randwrite --bs=64k --size=256M --io_size=26M >/dev/null
  fio_on $view read-tenth --rw=read --bs=64k --iodepth=16 --loops=4
  [ $view = $volume ] || dmsetup remove view
  mke2fs -F -q -t ext4 $volume
  mount $volume /mnt
  timed trees 5 unpack
  umount /mnt
}

for_each_system measure_all
