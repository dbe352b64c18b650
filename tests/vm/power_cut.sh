# Shows that every acknowledged snapshot survives a power cut that loses all that no flush had passed, and holds
# exactly the first k writes of each writer of its time (T2, timeline 3).
# disks: 48M 256M =1M
# cuts: 4
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb notes=/dev/vdc
region=1500 # blocks for each boot, for two writers

check() {  # check TAG: made in boot TAG / 1000
  map snap $store $origin "$1"
  at=$(($1 / 1000 * region))
  k=$(devspam check /dev/mapper/snap $at 900 $(($1 / 1000 + 1))) || die "snapshot $1, writer 1: $k"
  l=$(devspam check /dev/mapper/snap $((at + 900)) 600 7) || die "snapshot $1, writer 2: $l"
  echo "snapshot $1: $k and $l writes"
  dmsetup remove snap
}

[ "$VM_BOOT" != 0 ] || ddsnap initialize -y -c 4K $store $origin
start_agent
start_server $store $origin || die "no server after the power cut"
map vol $store $origin origin
# The tags that were acknowledged, one in each block of the notes.
last=$(dd if=$notes bs=512 count=200 2>/dev/null | tr -d '\000' | grep -c . || true)
for tag in $(dd if=$notes bs=512 count=200 2>/dev/null | tr -d '\000'); do
  ddsnap list $server | grep -q "^$tag " || die "snapshot $tag was acknowledged and is lost"
done
for tag in $(ddsnap list $server | sed -n 's/^\([0-9][0-9]*\) .*/\1/p'); do check "$tag"; done
say "$last acknowledged snapshots are right after $VM_BOOT cuts"
if [ "$VM_BOOT" = "$VM_CUTS" ]; then
  dmsetup remove vol
  exit 0
fi

at=$((VM_BOOT * region))
devspam write /dev/mapper/vol $at 900 $((VM_BOOT + 1)) &
devspam write /dev/mapper/vol $((at + 900)) 600 7 &
echo "vm: load is on"
number=0
while :; do
  number=$((number + 1))
  tag=$((VM_BOOT * 1000 + number))
  ddsnap create $server $tag
  echo "$tag " | dd of=$notes bs=512 seek="$last" count=1 conv=sync,notrunc oflag=direct 2>/dev/null
  last=$((last + 1))
  usleep 300000
done
