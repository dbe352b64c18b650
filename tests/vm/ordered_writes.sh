# Shows that a snapshot is one instant in the order of acknowledged writes (T2): two writers write numbered
# blocks, each acknowledged before the next, while snapshots are created; each snapshot must hold exactly what
# the first k writes of each writer leave behind, and k never goes back.
# disks: 32M 256M
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb
rounds=${ROUNDS:-10}

serve -c 4K
devspam write /dev/mapper/vol 0 2000 1 &
first=$!
devspam write /dev/mapper/vol 4096 700 2 &
second=$!
round=0
while [ $round -lt "$rounds" ]; do
  round=$((round + 1))
  usleep 300000
  ddsnap create $server $round
done
kill $first $second
wait $first $second || true
last=0
while [ $round -gt 0 ]; do
  map snap $store $origin $round
  k=$(devspam check /dev/mapper/snap 0 2000 1) || die "snapshot $round, writer 1: $k"
  l=$(devspam check /dev/mapper/snap 4096 700 2) || die "snapshot $round, writer 2: $l"
  echo "snapshot $round: $k and $l writes"
  [ $last = 0 ] || [ "$k" -le $last ] || die "snapshot $round holds more than the next"
  [ "$k" -gt 0 ] && [ "$l" -gt 0 ] || die "nothing was written before snapshot $round"
  last=$k
  dmsetup remove snap
  round=$((round - 1))
done
dmsetup message vol 0 stats
dmsetup remove_all
