# shellcheck shell=bash disable=SC2154,SC2034 # folder is the demo's; it reads proved
# The demo without mounts: mke2fs and debugfs make the file system, NBD clients bring it in and out.
# The file system ends before the volume does; the writer has the rest.

fs_bytes=$((224 << 20))
record_bytes=4096
max_records=$(((32 << 20) / record_bytes))
writer_pid=
proved="fsck is clean"

fill_volume() {
  choose_files
  mkdir "$folder/tree"
  copy_files tree "$folder/tree"
  sum_files "$folder/tree" tree0
  truncate -s "$volume_bytes" "$folder/image0"
  mke2fs -q -t ext4 -b 4096 -i 8192 -d "$folder/tree" "$folder/image0" $((fs_bytes >> 20))M
  nbdcopy --flush "$folder/image0" "$(uri "")"
}

# Record N is one block full of one byte: what N leaves over 255, plus one.
record_commands() {
  awk -v count=$max_records -v start=$fs_bytes -v bytes=$record_bytes 'BEGIN {
    for (nr = 0; nr < count; nr++)
      printf "write -P %d %.0f %d\nflush\n", nr % 255 + 1, start + nr * bytes, bytes }'
}

start_writer() {
  # Slow enough to outlast the changes.
  record_commands | while read -r command; do
    printf '%s\n' "$command"
    sleep 0.005
  done | setsid stdbuf -oL qemu-io -f raw "$(uri "")" >"$folder/writer.out" 2>&1 &
  writer_pid=$!
}

records_written() { grep -c '> wrote ' "$folder/writer.out" || true; }

stop_writer() {
  [ -n "$writer_pid" ] || return 0
  kill "$writer_pid" 2>/dev/null || true
  wait "$writer_pid" 2>/dev/null || true
  writer_pid=
}

# The same changes to a second image; the volume gets what differs, as a delta over NBD.
change_volume() {
  cp --sparse=always "$folder/image0" "$folder/image1"
  change_files "$folder/tree"
  delete_files "$folder/tree"
  copy_files added "$folder/tree"
  sum_files "$folder/tree" tree1
  debugfs_commands >"$folder/debugfs.in"
  debugfs -w -f "$folder/debugfs.in" "$folder/image1" >"$folder/debugfs.out" 2>&1
  "$ddsnap" create-cl --compare "$folder/images.cl" "$folder/image0" "$folder/image1"
  "$ddsnap" create-delta "$folder/images.cl" "$folder/images.delta" "$folder/image0" "$folder/image1"
  "$ddsnap" apply-delta "$folder/images.delta" "$(uri "")"
}

# Deleted and changed files go, and the changed and added ones come, with their folders.
debugfs_commands() {
  { paths_of deleted && paths_of changed; } | sed 's/^/rm /'
  paths_of added | awk -F / '{
    path = ""
    for (i = 1; i < NF; i++) { path = path "/" $i; if (!seen[path]++) print "mkdir " path } }'
  { paths_of changed && paths_of added; } | awk -v tree="$folder/tree" '{
    name = $0; sub(/.*\//, "", name)
    print "cd /" substr($0, 1, length($0) - length(name) - 1)
    print "write " tree "/" $0 " " name }'
}

prove_image() { # prove_image EXPORT-OR-FILE NAME TREE [RECORDS]
  local image=$1
  if [ ! -f "$image" ]; then
    image=$folder/$2.img
    read_out "$1" "$image"
  fi
  e2fsck -fn "$image" >"$folder/$2.fsck" 2>&1
  mkdir "$folder/$2"
  debugfs -R "rdump /usr $folder/$2" "$image" 2>"$folder/$2.rdump"
  check_files "$folder/$2" "$3"
  [ -z "${4:-}" ] || check_records "$image" "$4"
  [ -f "$1" ] || rm "$image"
  rm -r "${folder:?}/$2"
}

# All that were acknowledged.
check_records() { # check_records IMAGE COUNT
  od -A n -v -t u1 -w$record_bytes -j $fs_bytes -N $(($2 * record_bytes)) "$1" | awk -v want="$2" '
    { for (i = 1; i <= NF; i++) if ($i != (NR - 1) % 255 + 1) exit bad = 1 }
    END { exit bad || NR != want }'
}
