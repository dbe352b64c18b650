# shellcheck shell=bash disable=SC2154,SC2034 # folder is the demo's; it reads proved
# The demo with mounts: nbdfuse makes a file of an export, a loop device a disk, ext4 is the kernel's.

volume_mount=
writer_pid=
proved="ext4 mounts, fsck is clean"

fill_volume() {
  choose_files
  attach "" volume
  volume_mount=$folder/volume
  mkfs.ext4 -q -b 4096 -i 8192 "$folder/volume.disk/nbd"
  mkdir "$volume_mount"
  mount -o loop "$folder/volume.disk/nbd" "$volume_mount"
  copy_files tree "$volume_mount"
  sum_files "$volume_mount" tree0
  sync -f "$volume_mount"
}

# Numbered records, each told to be written only after the file system said so.
start_writer() {
  (
    trap - EXIT INT TERM HUP
    for ((nr = 1; ; nr++)); do
      printf 'record %08d\n' "$nr" >>"$volume_mount/records"
      sync -d "$volume_mount/records"
      printf '%d\n' "$nr" >"$folder/progress.new"
      mv "$folder/progress.new" "$folder/progress"
    done
  ) &
  writer_pid=$!
}

records_written() { cat "$folder/progress" 2>/dev/null || echo 0; }

stop_writer() {
  [ -n "$writer_pid" ] || return 0
  kill "$writer_pid" 2>/dev/null || true
  wait "$writer_pid" 2>/dev/null || true
  writer_pid=
}

change_volume() {
  change_files "$volume_mount"
  delete_files "$volume_mount"
  copy_files added "$volume_mount"
  sum_files "$volume_mount" tree1
  sync -f "$volume_mount"
}

prove_image() { # prove_image EXPORT-OR-FILE NAME TREE [RECORDS]
  local image=$1
  if [ ! -f "$image" ]; then
    attach "$1" "$2"
    image=$folder/$2.disk/nbd
  fi
  mkdir "$folder/$2"
  mount -o loop "$image" "$folder/$2"
  check_files "$folder/$2" "$3"
  [ -z "${4:-}" ] || check_records "$folder/$2/records" "$4"
  umount "$folder/$2"
  e2fsck -fn "$image" >"$folder/$2.fsck" 2>&1
  [ -f "$1" ] || detach "$2"
}

# All that were acknowledged, and no gap in what is there.
check_records() { # check_records FILE COUNT
  local count
  count=$(wc -l <"$1")
  [ "$count" -ge "$2" ]
  seq -f 'record %08.0f' "$count" | cmp - "$1"
}
