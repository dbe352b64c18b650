# Shows that two targets of one snapshot see each other's writes (INVALIDATE), and that a snapshot given up for
# want of room gives I/O errors at once (DROPPED) while the origin goes on, and can be removed.
# disks: 16M 8M
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb

dd if=/dev/urandom of=$origin bs=1M count=16 2>/dev/null
serve
ddsnap create $server 0
map one $store $origin 0
map two $store $origin 0
dd if=/dev/urandom of=/dev/mapper/vol bs=16k count=64 seek=10 oflag=direct 2>/dev/null
same "$(hash_direct /dev/mapper/one)" "$(hash_direct /dev/mapper/two)" "two targets"
round=0
while [ $round -lt 5 ]; do
  round=$((round + 1))
  dd if=/dev/urandom of=/dev/mapper/one bs=4k count=32 seek=$((30 + round * 7)) oflag=direct 2>/dev/null
  same "$(hash_direct /dev/mapper/one)" "$(hash_direct /dev/mapper/two)" "one's write, round $round"
  dd if=/dev/urandom of=/dev/mapper/two bs=4k count=32 seek=$((60 + round * 7)) oflag=direct 2>/dev/null
  same "$(hash_direct /dev/mapper/two)" "$(hash_direct /dev/mapper/one)" "two's write, round $round"
done
dmsetup message two 0 stats

say "no room"
dd if=/dev/urandom of=/dev/mapper/vol bs=256k count=64 oflag=direct 2>/dev/null || die "the origin failed"
ddsnap list $server
dd if=/dev/mapper/one of=/dev/null bs=16k count=1 iflag=direct 2>/dev/null && die "a dropped snapshot was read"
dd if=/dev/zero of=/dev/mapper/two bs=16k count=1 oflag=direct 2>/dev/null && die "a dropped snapshot was written"
same "$(hash_direct /dev/mapper/vol)" "$(hash_direct $origin)" "the origin"
dmsetup remove one
dmsetup remove two
dmsetup remove vol
ddsnap status $server
