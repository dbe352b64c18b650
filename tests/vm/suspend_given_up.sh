# Shows that a suspend which is interrupted leaves the device as it was: what is parked then goes on waiting, and
# fails neither when the patience of a suspend has run out nor when the line is lost.
# disks: 16M 32M
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb

serve
ddsnap create $server 0
parked() { dmsetup message vol 0 stats | grep -q "parked $1 "; }
kill -STOP "$(cat /tmp/server.pid)"
dd if=/dev/zero of=/dev/mapper/vol bs=16k seek=5 count=1 oflag=direct 2>/dev/null &
writer=$!
wait_for 20 parked 1 || die "the write is not parked"
dmsetup suspend --nolockfs vol &
suspend=$!
wait_for 20 grep -q dm_suspend /proc/$suspend/stack || die "the suspend does not wait for the write"
kill -KILL $suspend
wait $suspend && die "the suspend was not interrupted"
same "$(dmsetup info -c --noheadings -o suspended vol)" Active "the device"
usleep 17000000 # beyond DDSNAP_SUSPEND_PATIENCE_S
kill -0 $writer || die "the write has failed, for a suspend that was given up"
kill -9 "$(cat /tmp/server.pid)"
wait_for 20 sh -c 'dmsetup status vol | grep -q searching' || die "the line did not break"
kill -0 $writer || die "the write has failed with the line, for a suspend that was given up"
start_server $store $origin
wait $writer || die "the write failed although the server came back"
dmsetup remove vol
