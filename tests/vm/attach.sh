# Shows attach, detach, mount and umount through the kernel target: the origin written, a snapshot of it mounted
# read-only beside it, each command twice, nothing left in the end.
# disks: 64M 64M
# programs: mke2fs
# timeout: 600
. /lib.sh
origin=/dev/vda store=/dev/vdb
export DDSNAP_RUN_DIR=/tmp/run-ddsnap
mkdir -p /mnt/volume /mnt/snapshot

ddsnap initialize -y $store $origin
start_agent
start_server $store $origin

device=$(ddsnap attach --write --control $control $server)
case $device in /dev/mapper/ddsnap-*) ;; *) die "not by the kernel target: $device" ;; esac
same "$(ddsnap attach --write --control $control $server)" "$device" "attached twice"
mke2fs -q -t ext4 "$device"
ddsnap detach $server
ddsnap detach $server
[ ! -e "$device" ] || die "$device is left"

ddsnap mount --write --control $control $server /mnt/volume
echo one >/mnt/volume/file
ddsnap create --freeze /mnt/volume $server 0
echo two >/mnt/volume/file
ddsnap mount --control $control $server 0 /mnt/snapshot
same "$(cat /mnt/snapshot/file)" one "the file in the snapshot"
same "$(cat /mnt/volume/file)" two "the file in the volume"
! touch /mnt/snapshot/no 2>/dev/null || die "the snapshot is writable"
! ddsnap detach $server 0 || die "detached while it is mounted"
ddsnap umount /mnt/snapshot
ddsnap umount /mnt/volume
[ -z "$(find $DDSNAP_RUN_DIR -type f)" ] || die "left: $(find $DDSNAP_RUN_DIR)"
same "$(dmsetup ls | grep -c ddsnap-)" 0 "mapped devices left"
ddsnap status $server
kill "$(cat /tmp/server.pid)" "$(cat /tmp/agent.pid)"
