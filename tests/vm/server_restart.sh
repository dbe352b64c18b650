# Shows that the server, killed -9 and started again 50 times under load, is a pause: fio sees no error, a snapshot no
# wrong byte, and the agent may go as well.
# disks: 64M 256M
# programs: fio
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb
rounds=50

dd if=/dev/urandom of=$origin bs=1M count=64 2>/dev/null
serve
before=$(hash_direct /dev/mapper/vol)
ddsnap create $server 0
map snap $store $origin 0

fio --name=load --thread --filename=/dev/mapper/vol --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite \
  --bsrange=4k-64k --size=64M --io_size=1G --time_based --runtime=1000 --verify=crc32c --verify_fatal=1 \
  --verify_backlog=64 --randseed=11 --rate=2M --eta=never >/tmp/fio.out 2>&1 &
fio=$!
round=0
while [ $round -lt $rounds ]; do
  round=$((round + 1))
  usleep $((100000 + round * 137000 % 900000))
  kill -9 "$(cat /tmp/server.pid)"
  if [ $((round % 3)) = 0 ]; then
    kill -9 "$(cat /tmp/agent.pid)"
    start_agent
  fi
  start_server $store $origin || die "the server did not come back in round $round"
  kill -0 $fio || { cat /tmp/fio.out; die "fio ended in round $round"; }
  if [ $((round % 10)) = 0 ]; then
    wait_for 60 ddsnap create $server r$round || die "no snapshot in round $round"
    same "$(hash_direct /dev/mapper/snap)" "$before" "snapshot 0 in round $round"
  fi
done
dmsetup message vol 0 stats
dmsetup message snap 0 stats
kill -INT $fio
wait $fio || true # it says 128 of being asked to stop
grep -E 'WRITE:' /tmp/fio.out
grep -q 'err= 0' /tmp/fio.out || { cat /tmp/fio.out; die "fio failed"; }
same "$(hash_direct /dev/mapper/snap)" "$before" "snapshot 0"
dmsetup remove_all
