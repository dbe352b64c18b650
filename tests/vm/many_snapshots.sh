# Shows that what a first write costs does not depend on the number of snapshots: questions to the server, and
# requests to both devices, counted at 1, 8, 64 and 1000 snapshots.
# disks: 32M 128M
# timeout: 900
. /lib.sh
origin=/dev/vda store=/dev/vdb

dd if=/dev/urandom of=$origin bs=1M count=32 2>/dev/null # zeros would take no slot
serve
there=0
for wanted in 1 8 64 1000; do
  make_snapshots $server $((there + 1)) $((wanted - there))
  there=$wanted
  settle vda vdb
  asked=$(stat_of vol questions) up=$(requests vda) down=$(requests vdb)
  dd if=/dev/urandom of=/dev/mapper/vol bs=16k count=100 seek=500 oflag=direct 2>/dev/null
  asked=$(($(stat_of vol questions) - asked)) up=$(($(requests vda) - up)) down=$(($(requests vdb) - down))
  say "$wanted snapshots: 100 first writes: $asked questions, $up requests to the origin, $down to the snapstore"
  [ $asked = 100 ] || die "not one question a first write"
  first=${first:-$((up + down))}
  [ $((up + down)) -le $((first + first / 10)) ] || die "it was $first requests with one snapshot"
done
[ "$(ddsnap list $server | grep -c live)" = 1000 ] || die "snapshots are missing"
dmsetup remove_all
