# Shows that a device under load is suspended and resumed, with flush and without, gets its table loaded anew,
# and has snapshots created while it is suspended, and that fio sees nothing of it; and that `reconnect` and a
# server that is stopped (SIGSTOP) hold nobody up for ever.
# disks: 48M 128M
# programs: fio
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb

serve
fio --name=load --thread --filename=/dev/mapper/vol --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite \
  --bsrange=4k-256k --size=48M --time_based --runtime=1000 --verify=crc32c --verify_fatal=1 --verify_backlog=64 \
  --randseed=3 --rate=2M --eta=never >/tmp/fio.out 2>&1 &
fio=$!
round=0
while [ $round -lt 6 ]; do
  round=$((round + 1))
  usleep 300000
  dmsetup suspend --nolockfs vol
  timeout 20 ddsnap create $server s$round || die "no snapshot of a suspended device"
  dmsetup resume vol
  usleep 300000
  dmsetup suspend --noflush --nolockfs vol
  usleep 100000
  dmsetup resume vol
  dmsetup reload vol --table "0 $(sectors $origin) ddsnap $store $origin $control origin"
  dmsetup resume vol
  dmsetup message vol 0 reconnect
  kill -0 $fio || { cat /tmp/fio.out; die "fio ended in round $round"; }
done
say "a stopped server"
map snap $store $origin s6
kill -STOP "$(cat /tmp/server.pid)"
dd if=/dev/mapper/snap of=/dev/null bs=16k count=4 iflag=direct 2>/dev/null &
reader=$!
ddsnap_is_stuck() { dmsetup message vol 0 stats | grep -vq 'parked 0 '; }
wait_for 20 ddsnap_is_stuck || say "(nothing was parked)"
dmsetup suspend --noflush --nolockfs snap
dmsetup resume snap
kill -CONT "$(cat /tmp/server.pid)"
wait $reader || die "a read failed although the server went on"
kill -INT $fio
wait $fio || true # it says 128 of being asked to stop
grep -q 'err= 0' /tmp/fio.out || { cat /tmp/fio.out; die "fio failed"; }
dmsetup message vol 0 stats
dmsetup remove_all
ddsnap status $server
