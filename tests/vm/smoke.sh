# Shows that the module loads, that the origin target passes reads and granted writes through, that a snapshot
# stays as it was, that a granted chunk costs no further question, and that an old page cache of the origin harms nobody.
# disks: 32M 64M
# programs: mke2fs blkdiscard
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb

dd if=/dev/urandom of=$origin bs=1M count=32 2>/dev/null
before=$(hash_of $origin)
serve
same "$(hash_direct /dev/mapper/vol)" "$before" "the origin through its target"
say "write without a snapshot"
dd if=/dev/urandom of=/dev/mapper/vol bs=64k seek=3 count=20 oflag=direct conv=fsync 2>/dev/null
before=$(hash_direct $origin)
same "$(hash_direct /dev/mapper/vol)" "$before" "the origin after a write"
dmsetup message vol 0 stats

# What the page cache holds of the origin is old from now on: nobody may believe it (T8, timeline 11).
exec 9<$origin
cat <&9 >/dev/null
dd if=/dev/urandom of=/dev/mapper/vol bs=64k count=100 oflag=direct 2>/dev/null
before=$(hash_direct /dev/mapper/vol)
[ "$(hash_of $origin)" != "$before" ] || die "the page cache of the origin is not old: nothing is shown below"

say "snapshot 0"
ddsnap create $server 0
map snap0 $store $origin 0
same "$(hash_direct /dev/mapper/snap0)" "$before" "snapshot 0 at birth"
dd if=/dev/urandom of=/dev/mapper/vol bs=4k seek=100 count=1000 oflag=direct 2>/dev/null
asked=$(stat_of vol questions)
dd if=/dev/urandom of=/dev/mapper/vol bs=4k seek=100 count=1000 oflag=direct 2>/dev/null
same "$(stat_of vol questions)" "$asked" "questions for granted chunks"
same "$(hash_direct /dev/mapper/snap0)" "$before" "snapshot 0 after writes"
[ "$(hash_direct /dev/mapper/vol)" != "$before" ] || die "the origin did not change"

say "zeroes are a write, a discard of what is not granted is none (T10)"
/bin/blkdiscard -z -o 20971520 -l 1048576 /dev/mapper/vol
same "$(dd if=$origin bs=1M skip=20 count=1 iflag=direct 2>/dev/null | tr -d '\000' | wc -c)" 0 "bytes left after zeroing"
now=$(hash_direct $origin)
/bin/blkdiscard -o 25165824 -l 4194304 /dev/mapper/vol
same "$(hash_direct $origin)" "$now" "the origin after a discard that is not granted"
same "$(hash_direct /dev/mapper/snap0)" "$before" "snapshot 0 after both"
ddsnap list $server
dmsetup status
dmsetup status snap0 | grep -q 'hashes unchecked' || die "the target does not say what it cannot check (S5)"
dmsetup table

say "write to the snapshot"
dd if=/dev/urandom of=/tmp/patch bs=1k count=100 2>/dev/null
dd if=/dev/mapper/snap0 of=/tmp/copy bs=1M 2>/dev/null
now=$(hash_direct /dev/mapper/vol)
dd if=/tmp/patch of=/dev/mapper/snap0 bs=1k seek=777 conv=fsync 2>/dev/null
dd if=/tmp/patch of=/tmp/copy bs=1k seek=777 conv=notrunc 2>/dev/null
same "$(hash_direct /dev/mapper/snap0)" "$(hash_of /tmp/copy)" "the written snapshot"
same "$(hash_direct /dev/mapper/vol)" "$now" "the origin under a written snapshot"

say "remove"
exec 9<&-
dmsetup remove snap0
dmsetup remove vol
rmmod dm_ddsnap
ddsnap status $server
kill "$(cat /tmp/server.pid)" "$(cat /tmp/agent.pid)"
