# Shows that writes come to their end although no page can be had to remember their grants (T9): each asks again,
# and the snapshot holds what it should. Needs fault injection, which debug-kernel builds in.
# needs: debug-kernel
# disks: 32M 64M
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb
faults=/sys/kernel/debug/fail_page_alloc

mount -t debugfs debugfs /sys/kernel/debug
dd if=/dev/urandom of=$origin bs=1M count=32 2>/dev/null
serve
ddsnap create $server 0
map snap $store $origin 0
before=$(hash_direct /dev/mapper/snap)

for name in $(grep -l '^ddsnap/' /proc/[0-9]*/comm); do echo 1 >"${name%comm}make-it-fail"; done
echo Y >$faults/task-filter
echo N >$faults/ignore-gfp-wait
echo 0 >$faults/min-order
echo 0 >$faults/verbose
echo -1 >$faults/times
echo 100 >$faults/probability

dd if=/dev/urandom of=/dev/mapper/vol bs=64k count=100 oflag=direct 2>/dev/null || die "a write failed"
[ "$(stat_of vol unremembered)" -ge 100 ] || die "no page was refused: $(dmsetup message vol 0 stats)"
asked=$(stat_of vol questions)
dd if=/dev/urandom of=/dev/mapper/vol bs=64k count=10 oflag=direct 2>/dev/null || die "a second write failed"
[ "$(stat_of vol questions)" -ge $((asked + 10)) ] || die "a chunk that was not remembered was not asked for again"
ddsnap create $server 1 || die "no snapshot"
dd if=/dev/urandom of=/dev/mapper/vol bs=4k count=100 oflag=direct 2>/dev/null || die "a third write failed"

say "memory again"
echo 0 >$faults/probability
dd if=/dev/urandom of=/dev/mapper/vol bs=64k count=100 oflag=direct 2>/dev/null
asked=$(stat_of vol questions)
dd if=/dev/urandom of=/dev/mapper/vol bs=64k count=100 oflag=direct 2>/dev/null
same "$(stat_of vol questions)" "$asked" "questions for granted chunks"
same "$(hash_direct /dev/mapper/snap)" "$before" "snapshot 0"
dmsetup message vol 0 stats
dmsetup remove_all
