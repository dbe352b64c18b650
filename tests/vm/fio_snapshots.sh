# Shows that fio finds every byte it wrote, in blocks of 512 B to 1 MiB with trims and flushes between them, while
# snapshots come, are read and go in a loop; and that each snapshot reads the same at its end as at its birth.
# disks: 64M 256M
# programs: fio
# timeout: 900
# memory: 768
. /lib.sh
origin=/dev/vda store=/dev/vdb

serve -c 64K

# Each pass trims and writes places all over the volume, overlapping ones too, then reads all it wrote.
passes() {
  pass=0
  while [ ! -e /tmp/stop ]; do
    pass=$((pass + 1))
    fio --name=load --thread --filename=/dev/mapper/vol --direct=1 --ioengine=libaio --iodepth=16 --rw=randtrimwrite \
      --bsrange=512-1M --blockalign=512 --size=64M --io_size=24M --norandommap --fsync=16 --rate=5M,5M,50M \
      --verify=crc32c --verify_fatal=1 --randseed=$pass --eta=never >/tmp/fio.out 2>&1 || return 1
    grep -q '^ *TRIM:' /tmp/fio.out || return 1
    echo $pass >/tmp/passed
  done
}
passes &
load=$!
round=0
until [ $round -ge 6 ] && [ "$(cat /tmp/passed 2>/dev/null || echo 0)" -ge 2 ]; do
  round=$((round + 1))
  kill -0 $load || { cat /tmp/fio.out; die "fio failed in round $round"; }
  ddsnap create $server $round || die "no snapshot $round"
  map snap$round $store $origin $round
  eval birth$round="$(hash_direct /dev/mapper/snap$round)"
  old=$((round - 2))
  if [ $old -gt 0 ]; then
    eval same "$(hash_direct /dev/mapper/snap$old)" "\$birth$old" "'snapshot $old at its end'"
    dmsetup remove snap$old
    ddsnap delete $server $old
  fi
done
touch /tmp/stop
wait $load || { cat /tmp/fio.out; die "fio failed"; }
tail -n 12 /tmp/fio.out
say "$(cat /tmp/passed) passes of fio, $round snapshots"
dmsetup message vol 0 stats
dmsetup remove_all
ddsnap status $server
