# The systems that the benchmarks compare, on /dev/vda and /dev/vdb: KIND_up makes /dev/mapper/vol with $snapshots snapshots of
# chunks of $chunk KiB, KIND_renew makes all that is written from then on a first write again, KIND_down ends it; KIND_take takes one
# more snapshot ($spare of them at the most), KIND_drop gives up the oldest, KIND_open makes /dev/mapper/view of the newest.
# shellcheck shell=sh disable=SC2154 # chunk, snapshots, kind: set by for_each_system; server: by lib.sh
origin=/dev/vda store=/dev/vdb
volume=/dev/mapper/vol
volume_sectors=$(sectors $origin)

# piece NAME DISK FIRST COUNT: a part of a disk, in sectors
piece() { dmsetup create "$1" --table "0 $4 linear $2 $3"; }

linear_up() { piece vol $origin 0 "$volume_sectors"; }
linear_renew() { :; }
linear_take() { :; }
linear_down() { :; }

ddsnap_up() {
  serve -c "${chunk}K" >/dev/null
  next=1 oldest=1
  [ "$snapshots" = 0 ] || ddsnap_take "$snapshots"
}
ddsnap_renew() {
  [ "$snapshots" != 0 ] || return 0
  ddsnap_drop
  ddsnap_take
}
ddsnap_take() {
  make_snapshots $server $next "${1:-1}"
  next=$((next + ${1:-1}))
}
ddsnap_drop() {
  ddsnap delete $server $oldest >/dev/null
  oldest=$((oldest + 1))
}
ddsnap_open() { map view $store $origin $((next - 1)); }
ddsnap_down() {
  for daemon in server agent; do kill "$(cat /tmp/$daemon.pid)"; done
  wait_for 60 test ! -e $server
}

snapshot_up() {
  share=$(($(sectors $store) / (snapshots + ${spare:-0})))
  next=0 oldest=0
  dmsetup create vol --table "0 $volume_sectors snapshot-origin $origin"
  while [ $next -lt "$snapshots" ]; do snapshot_take; done
}
snapshot_renew() {
  dmsetup remove_all
  snapshot_up
}
snapshot_take() {
  dmsetup suspend vol
  piece cow$next $store $((next * share)) $share
  dd if=/dev/zero of=/dev/mapper/cow$next bs=64k count=1 oflag=direct 2>/dev/null
  dmsetup create snap$next --table "0 $volume_sectors snapshot $origin /dev/mapper/cow$next P $((chunk * 2))"
  dmsetup resume vol
  next=$((next + 1))
}
snapshot_drop() {
  dmsetup remove snap$oldest
  dmsetup remove cow$oldest
  oldest=$((oldest + 1))
}
snapshot_open() { piece view /dev/mapper/snap$((next - 1)) 0 "$volume_sectors"; }
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
  next=1 oldest=1
  while [ $next -le "$snapshots" ]; do thin_take; done
}
thin_take() {
  dmsetup suspend vol
  dmsetup message pool 0 "create_snap $next 0"
  dmsetup resume vol
  next=$((next + 1))
}
thin_renew() {
  thin_drop
  thin_take
}
thin_drop() {
  dmsetup message pool 0 "delete $oldest"
  oldest=$((oldest + 1))
}
thin_open() { dmsetup create view --table "0 $volume_sectors thin /dev/mapper/pool $((next - 1))"; }
thin_down() { :; }

# for_each_system COMMAND: runs it with each of $SYSTEMS up, words of the form KIND:CHUNK:SNAPSHOTS, in each of $ROUNDS rounds.
for_each_system() {
  # Every block of both disks is there on the host before anything is timed.
  dd if=/dev/zero of=$store bs=1M 2>/dev/null || true
  dd if=/dev/urandom of=$origin bs=1M 2>/dev/null || true
  round=1
  while [ $round -le "$ROUNDS" ]; do
    for system in $(echo "$SYSTEMS" | tr , ' '); do
      IFS=: read -r kind chunk snapshots <<EOF
$system
EOF
      ${kind}_up
      "$1"
      dmsetup remove_all
      ${kind}_down
    done
    round=$((round + 1))
  done
}

# fio_on VOLUME WHAT OPTIONS OF FIO...: one line for the program that asked
fio_on() {
  local on=$1 what=$2
  shift 2
  sync
  echo "BENCH $system $round $what $(fio --name=$what --thread --filename=$on --direct=1 --ioengine=libaio --size=256M \
    --randseed=$((round * 7 + 1)) --output-format=terse --terse-version=3 --eta=never "$@")"
}
