# Shows that a target removed while its server was dead is known to be gone although another device has its
# number by now, or its own device has another table: nothing stays "busy", and nobody must be forced (T4).
# disks: 32M 64M
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb

number_of() { dmsetup info -c --noheadings -o major,minor "$1"; }
kill_server() {
  kill -9 "$(cat /tmp/server.pid)"
  wait_for 20 sh -c 'dmsetup status vol | grep -q searching' || die "the line did not break"
}
is_forgotten() { grep -q "target $1 is gone: forgotten" /tmp/server.log; }

serve
[ "$(ls /sys/kernel/ddsnap | wc -l)" = 1 ] || die "the target is not named in /sys/kernel/ddsnap"

say "another device gets the number"
kill_server
number=$(number_of vol)
dmsetup remove vol
dmsetup create other --table "0 $(sectors $origin) linear $origin 0"
same "$(number_of other)" "$number" "the other device's number"
start_server $store $origin
wait_for 30 is_forgotten vol || die "the target that was removed is still attached"
wait_for 10 ddsnap create $server 0 || die "no snapshot: $(ddsnap create $server 0 2>&1)"
dmsetup remove other

say "the device gets another table"
map vol $store $origin origin
kill_server
: >/tmp/server.log
dmsetup suspend vol
dmsetup reload vol --table "0 $(sectors $origin) linear $origin 0"
dmsetup resume vol
start_server $store $origin
wait_for 30 is_forgotten vol || die "the target that was replaced is still attached"
wait_for 10 ddsnap create $server 1 || die "no snapshot: $(ddsnap create $server 1 2>&1)"
dmsetup remove vol

say "a living one is not forgotten"
map vol $store $origin origin
kill_server
: >/tmp/server.log
kill -9 "$(cat /tmp/agent.pid)"
mv $control /tmp/elsewhere
mv $server /tmp/server.elsewhere
ddsnap server -l /tmp/server.log -p /tmp/server.pid $store $origin $control /tmp/server2
usleep 5000000
is_forgotten vol && die "a living target was forgotten"
ddsnap create /tmp/server2 2 && die "a snapshot without a target that is alive"
start_agent
wait_for 30 ddsnap create /tmp/server2 2 || die "no snapshot: $(ddsnap create /tmp/server2 2 2>&1)"
dmsetup remove vol
[ -z "$(ls /sys/kernel/ddsnap)" ] || die "a target that is gone is still named"
rmmod dm_ddsnap
[ ! -e /sys/kernel/ddsnap ] || die "the module left something behind"
