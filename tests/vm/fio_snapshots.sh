# Shows that fio finds every byte it wrote, in blocks of 512 B to 1 MiB with flushes, beside discards of the
# end of the volume, while snapshots come, are read and go in a loop; and that each snapshot reads the same at
# its end as at its birth.
# disks: 64M 256M
# timeout: 600
# memory: 768
. /lib.sh
origin=/dev/vda store=/dev/vdb

ddsnap initialize -y -c 64K $store $origin
start_agent
start_server $store $origin
map vol $store $origin origin

fio --name=load --thread --filename=/dev/mapper/vol --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
  --bsrange=512-1M --bs_unaligned=0 --blockalign=512 --size=48M --time_based --runtime=10000 --rate=5M --fsync=32 \
  --verify=crc32c --verify_fatal=1 --randseed=7 --verify_backlog=64 --eta=never >/tmp/fio.out 2>&1 &
fio=$!
round=0
while [ $round -lt 6 ]; do
  round=$((round + 1))
  kill -0 $fio || { cat /tmp/fio.out; die "fio ended in round $round"; }
  ddsnap create $server $round || die "no snapshot $round"
  map snap$round $store $origin $round
  eval birth$round="$(hash_direct /dev/mapper/snap$round)"
  dd if=/dev/urandom of=/dev/mapper/vol bs=64k seek=$((768 + round % 200)) count=2 oflag=direct 2>/dev/null
  blkdiscard -o 50331648 -l 16777216 /dev/mapper/vol
  old=$((round - 2))
  if [ $old -gt 0 ]; then
    eval same "$(hash_direct /dev/mapper/snap$old)" "\$birth$old" "'snapshot $old at its end'"
    dmsetup remove snap$old
    ddsnap delete $server $old
  fi
done
kill -INT $fio
wait $fio || true # it says 128 of being asked to stop
tail -n 12 /tmp/fio.out
grep -q 'err= 0' /tmp/fio.out || { cat /tmp/fio.out; die "fio failed"; }
dmsetup status
dmsetup remove_all
ddsnap status $server
