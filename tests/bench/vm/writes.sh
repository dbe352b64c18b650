# What writes and reads of one volume cost on dm-linear, on ddsnap's origin with so many snapshots, on dm-snapshot and on dm-thin: all
# on the same two disks in one boot, taking turns. Prints one line a measurement, for kernel_targets_bench.py.
# disks: 256M 2G
# modules: dm-snapshot dm-thin-pool
# programs: fio
# timeout: 7200
# memory: 1024
#
# Told by -e: ROUNDS, and SYSTEMS, words of the form KIND:CHUNK:SNAPSHOTS (CHUNK in KiB) separated by commas.
. /lib.sh
origin=/dev/vda store=/dev/vdb
volume=/dev/mapper/vol
volume_sectors=$(sectors $origin)

# Every block of both disks is there on the host before anything is timed.
dd if=/dev/zero of=$store bs=1M 2>/dev/null || true
dd if=/dev/urandom of=$origin bs=1M 2>/dev/null || true

# piece NAME DISK FIRST COUNT: a part of a disk, in sectors
piece() { dmsetup create "$1" --table "0 $4 linear $2 $3"; }

# ---- each system: up, renew (all written from now on is a first write again), down ----
linear_up() { piece vol $origin 0 "$volume_sectors"; }
linear_renew() { :; }
linear_down() { :; }

ddsnap_up() {
  serve -c "${chunk}K" >/dev/null
  next=1
  [ "$snapshots" = 0 ] || { make_snapshots $server 1 "$snapshots" && next=$((snapshots + 1)); }
}
ddsnap_renew() {
  [ "$snapshots" != 0 ] || return 0
  ddsnap delete $server $((next - snapshots)) >/dev/null
  make_snapshots $server $next 1
  next=$((next + 1))
}
ddsnap_down() {
  for daemon in server agent; do kill "$(cat /tmp/$daemon.pid)"; done
  wait_for 60 test ! -e $server
}

snapshot_up() {
  local index=0 share=$(($(sectors $store) / snapshots))
  while [ $index -lt "$snapshots" ]; do
    piece cow$index $store $((index * share)) $share
    dd if=/dev/zero of=/dev/mapper/cow$index bs=64k count=1 oflag=direct 2>/dev/null
    dmsetup create snap$index --table "0 $volume_sectors snapshot $origin /dev/mapper/cow$index P $((chunk * 2))"
    index=$((index + 1))
  done
  dmsetup create vol --table "0 $volume_sectors snapshot-origin $origin"
}
snapshot_renew() {
  dmsetup remove_all
  snapshot_up
}
snapshot_down() { :; }

# The pool's data begin on the origin's disk, where the volume is written once, and go on behind the metadata on the other.
thin_up() {
  local metadata=131072 rest
  rest=$(($(sectors $store) - metadata))
  piece metadata $store 0 $metadata
  dd if=/dev/zero of=/dev/mapper/metadata bs=64k count=1 oflag=direct 2>/dev/null
  dmsetup create data --table "0 $volume_sectors linear $origin 0
$volume_sectors $rest linear $store $metadata"
  dmsetup create pool --table "0 $((volume_sectors + rest)) thin-pool /dev/mapper/metadata /dev/mapper/data $((chunk * 2)) 0 1 skip_block_zeroing"
  dmsetup message pool 0 "create_thin 0"
  dmsetup create vol --table "0 $volume_sectors thin /dev/mapper/pool 0"
  dd if=/dev/urandom of=$volume bs=1M oflag=direct 2>/dev/null || true
  next=1
  while [ $next -le "$snapshots" ]; do thin_snapshot; done
}
thin_snapshot() {
  dmsetup suspend vol
  dmsetup message pool 0 "create_snap $next 0"
  dmsetup resume vol
  next=$((next + 1))
}
thin_renew() {
  dmsetup message pool 0 "delete $((next - snapshots))"
  thin_snapshot
}
thin_down() { :; }

# ---- what is measured: one line of fio's terse format, behind who and what ----
measure() {  # measure WHAT OPTIONS OF FIO...
  local what=$1
  shift
  sync
  echo "BENCH $system $round $what $(fio --name=$what --thread --filename=$volume --direct=1 --ioengine=libaio --size=256M \
    --randseed=$((round * 7 + 1)) --output-format=terse --terse-version=3 --eta=never "$@")"
}
# Of what is written for the first time there is only so much; what may be done again and again is done for a while.
beginning=64M # which fresh-64k leaves written
a_while="--time_based --runtime=2 --iodepth=16"

measure_all() {
  measure fresh-4k --rw=randwrite --bs=4k --iodepth=16 --io_size=32M
  ${kind}_renew
  measure fresh-64k --rw=write --bs=64k --iodepth=16 --io_size=$beginning
  measure again-4k --rw=randwrite --bs=4k --size=$beginning $a_while
  measure again-64k --rw=write --bs=64k --size=$beginning $a_while
  ${kind}_renew
  measure fresh-4k-alone --rw=randwrite --bs=4k --iodepth=1 --io_size=4M
  measure read-4k --rw=randread --bs=4k $a_while
}

round=1
while [ $round -le "$ROUNDS" ]; do
  for system in $(echo "$SYSTEMS" | tr , ' '); do
    IFS=: read -r kind chunk snapshots <<EOF
$system
EOF
    ${kind}_up
    measure_all
    dmsetup remove_all
    ${kind}_down
  done
  round=$((round + 1))
done
