# Shows that writes which outlive their process do no harm (S8, timeline 5): the snapstore answers writes late, the
# server is killed -9 while some are on their way, and the next one gets the devices only when they have landed.
# disks: 16M 64M
# modules: dm-delay
# timeout: 300
. /lib.sh
origin=/dev/vda store=/dev/mapper/late

table() { # table TARGET...: a new one under the snapstore; what was late lands first
  dmsetup suspend late
  dmsetup reload late --table "0 $(sectors /dev/vdb) $*"
  dmsetup resume late
}
dd if=/dev/urandom of=$origin bs=1M count=16 2>/dev/null
dmsetup create late --table "0 $(sectors /dev/vdb) linear /dev/vdb 0"
on_their_way() { dmsetup status late | grep -q 'delay [0-9]* [1-9]'; }
serve
before=$(hash_direct /dev/mapper/vol)
ddsnap create $server 0

for round in 1 2 3; do
  table delay /dev/vdb 0 0 /dev/vdb 0 15000
  dd if=/dev/urandom of=/dev/mapper/vol bs=64k seek=$((round * 30)) count=4 oflag=direct 2>/dev/null &
  writer=$!
  wait_for 20 on_their_way || die "no write is on its way to the snapstore"
  kill -9 "$(cat /tmp/server.pid)"
  if start_server $store $origin 2>/tmp/refusal; then die "the next server did not wait for the late writes"; fi
  grep -q 'in use' /tmp/refusal || die "refused for another reason: $(cat /tmp/refusal)"
  on_their_way || die "the writes landed before their time: nothing was shown"
  table linear /dev/vdb 0
  start_server $store $origin || die "the devices are not given back"
  wait $writer || die "the write failed"
  say "round $round: refused, then served"
done
map snap $store $origin 0
same "$(hash_direct /dev/mapper/snap)" "$before" "snapshot 0"
dmsetup remove snap
dmsetup remove vol
