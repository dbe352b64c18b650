# Shows that every acknowledged snapshot survives power cuts that lose all that no flush had passed, and holds
# exactly the first k writes of each writer of its time (T2, timeline 3); and that one whose deletion was
# acknowledged stays deleted.
# disks: 48M 128M =1M
# cuts: 20
# timeout: 300
. /lib.sh
origin=/dev/vda store=/dev/vdb notes=/dev/vdc
region=520 # blocks for each boot, for two writers; the second has the last 200
tags_a_boot=100

check() {  # check TAG
  boot=$(($1 / tags_a_boot))
  map snap $store $origin "$1"
  k=$(devspam check /dev/mapper/snap $((boot * region)) 320 $((boot + 1))) || die "snapshot $1, writer 1: $k"
  l=$(devspam check /dev/mapper/snap $((boot * region + 320)) 200 7) || die "snapshot $1, writer 2: $l"
  [ $boot != "${last_boot:-}" ] || [ "$k" -ge $last_k ] || die "snapshot $1 holds less than the one before"
  last_boot=$boot last_k=$k
  echo "snapshot $1: $k and $l writes"
  dmsetup remove snap
}

[ "$VM_BOOT" != 0 ] || ddsnap initialize -y -c 4K $store $origin
start_agent
start_server $store $origin || die "no server after the power cut"
map vol $store $origin origin
# The tags that were acknowledged, one in each block of the notes. Each is looked at after the two cuts that follow
# it, then deleted.
acknowledged=$(dd if=$notes bs=512 count=2000 2>/dev/null | tr -d '\000')
there=$(ddsnap list $server | sed -n 's/^\([0-9][0-9]*\) .*/\1/p')
for tag in $acknowledged; do
  [ "$tag" -ge $(((VM_BOOT - 2) * tags_a_boot)) ] || continue
  echo "$there" | grep -qx "$tag" || die "snapshot $tag was acknowledged and is lost"
done
for tag in $there; do
  [ "$tag" -ge $(((VM_BOOT - 2) * tags_a_boot)) ] || die "snapshot $tag was deleted and is back"
  check "$tag"
done
say "$(echo "$there" | wc -w) of $(echo "$acknowledged" | wc -w) acknowledged snapshots are there and right after $VM_BOOT cuts"
if [ "$VM_BOOT" = "$VM_CUTS" ]; then
  [ "$(echo "$acknowledged" | wc -w)" -gt "$VM_CUTS" ] || die "there was next to no load"
  dmsetup remove vol
  exit 0
fi
for tag in $there; do
  [ "$tag" -ge $(((VM_BOOT - 1) * tags_a_boot)) ] || ddsnap delete $server "$tag"
done

at=$((VM_BOOT * region))
devspam write /dev/mapper/vol $at 320 $((VM_BOOT + 1)) &
devspam write /dev/mapper/vol $((at + 320)) 200 7 &
echo "vm: load is on"
last=$(echo "$acknowledged" | wc -w)
number=0
while :; do
  tag=$((VM_BOOT * tags_a_boot + number))
  ddsnap create $server $tag
  echo "$tag" | dd of=$notes bs=512 seek="$last" count=1 conv=sync,notrunc oflag=direct 2>/dev/null
  last=$((last + 1)) number=$((number + 1))
  usleep 200000
done
