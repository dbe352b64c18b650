# Shows that what a first write costs does not depend on the number of snapshots: questions to the server, and
# requests to both devices, counted at 1, 8 and 64 snapshots (1000 take an emulated machine half an hour: add the
# number to the loop and give it the time).
# disks: 64M 256M
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb

dd if=/dev/urandom of=$origin bs=1M count=64 2>/dev/null # zeros would take no slot
ddsnap initialize -y $store $origin
start_agent
start_server $store $origin
map vol $store $origin origin
# requests DISK: reads and writes completed, merged ones counted as issued
requests() { awk '{ print $1 + $5 }' "/sys/block/$1/stat"; }
there=0
for wanted in 1 8 64; do
  while [ $there -lt $wanted ]; do
    there=$((there + 1))
    ddsnap create $server $there
  done
  sleep 1 # the server seals its journal
  asked=$(stat_of vol questions) up=$(requests vda) down=$(requests vdb)
  dd if=/dev/urandom of=/dev/mapper/vol bs=16k count=100 seek=500 oflag=direct 2>/dev/null
  asked=$(($(stat_of vol questions) - asked)) up=$(($(requests vda) - up)) down=$(($(requests vdb) - down))
  say "$wanted snapshots: 100 first writes: $asked questions, $up requests to the origin, $down to the snapstore"
  [ $asked = 100 ] || die "not one question a first write"
  first=${first:-$((up + down))}
  [ $((up + down)) -le $((first + first / 10)) ] || die "it was $first requests with one snapshot"
done
dmsetup remove_all
