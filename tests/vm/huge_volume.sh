# Shows that the kernel's memory follows what was written, not the size of the volume (timeline 30): 8 TiB in chunks of
# 4 KiB, two thousand million of them, whose map alone would fill half of this machine.
# disks: 8T 128M
# timeout: 300
. /lib.sh
origin=/dev/vda store=/dev/vdb

used_kib() { awk '/^(MemTotal|MemFree|Cached|Buffers):/ { kib[$1] = $2 } END { print kib["MemTotal:"] - kib["MemFree:"] - kib["Cached:"] - kib["Buffers:"] }' /proc/meminfo; }
places="0 1000003 1073741823 1073741824 2147483647"
write_all() { for place in $places; do yes "$1 $place" | dd of=/dev/mapper/vol bs=4096 count=1 seek=$place iflag=fullblock oflag=direct 2>/dev/null; done; }
check_all() { for place in $places; do same "$(dd if="$1" bs=4096 count=1 skip=$place iflag=direct 2>/dev/null | head -n 1)" "$2 $place" "$1 at $place"; done; }

ddsnap initialize -y -c 4K $store $origin
start_agent
start_server $store $origin
before=$(used_kib)
map vol $store $origin origin
write_all old
ddsnap create $server 0
map snap $store $origin 0
write_all new
check_all /dev/mapper/vol new
check_all /dev/mapper/snap old
after=$(used_kib)
say "$((after - before)) KiB for 8 TiB, two devices and five places written"
[ $((after - before)) -lt 16384 ] || die "that grows with the volume"
dmsetup remove_all
