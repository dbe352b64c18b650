# Shows the exits (T3): with agent and server dead, parked writes fail on `message fail`, suspending requeues or
# fails them, and a device can be removed at any time; nothing hangs, and the next server finds all in order.
# disks: 32M 64M
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb

dd if=/dev/urandom of=$origin bs=1M count=32 2>/dev/null
serve
ddsnap create $server 0
map snap $store $origin 0
before=$(hash_direct /dev/mapper/snap)
kill_both() { kill -9 "$(cat /tmp/server.pid)" "$(cat /tmp/agent.pid)"; }
write_one() { dd if=/dev/zero of=/dev/mapper/vol bs=16k seek="$1" count=1 oflag=direct 2>/dev/null; }
parked() { dmsetup message vol 0 stats | grep -q "parked $1 "; }
kill_both

say "message fail"
write_one 5 &
writer=$!
wait_for 20 parked 1 || die "the write is not parked"
dd if=/dev/mapper/snap of=/dev/null bs=16k count=1 iflag=direct 2>/dev/null &
reader=$!
dmsetup message vol 0 fail
wait $writer && die "a parked write succeeded without a server"
usleep 500000
dmsetup message snap 0 fail
wait $reader && die "a parked read succeeded without a server"
parked 0 || die "still parked"

say "suspend --noflush keeps the write, resume parks it again, the server's return ends it"
write_one 6 &
writer=$!
wait_for 20 parked 1 || die "the write is not parked"
dmsetup suspend --noflush --nolockfs vol
dmsetup resume vol
wait_for 20 parked 1 || die "the write is not parked again"
start_agent
start_server $store $origin
wait $writer || die "the write failed although the server came back"

say "suspend with flush fails what is parked"
kill_both
write_one 7 &
writer=$!
wait_for 20 parked 1 || die "the write is not parked"
dmsetup suspend --nolockfs vol
wait $writer && die "a parked write succeeded without a server"
dmsetup resume vol

say "remove, forced and plain"
write_one 8 &
writer=$!
wait_for 20 parked 1 || die "the write is not parked"
dmsetup remove --force vol || true
wait $writer && die "a parked write succeeded without a server"
wait_for 10 dmsetup remove vol || [ ! -e /dev/mapper/vol ] || die "vol is still there"
dmsetup remove snap
[ -z "$(dmsetup ls | grep ddsnap)" ] || die "a device is still there"

say "the next server"
start_agent
start_server $store $origin
map again $store $origin origin
map snap $store $origin 0
same "$(hash_direct /dev/mapper/snap)" "$before" "snapshot 0"
wait_for 30 ddsnap create $server 1 || { ddsnap status $server; die "no snapshot after all"; }
dmsetup remove_all
