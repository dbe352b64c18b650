# shellcheck shell=bash disable=SC2154 # folder is the demo's
# The demo's files: some of this machine's own, and what becomes of them.
#
# Lists are lines of size, tab, path from the root: tree.list what is copied in, then of these
# changed.list and deleted.list; added.list what comes new. treeN.sums are sha256 sums, from the
# root of the tree, as snapshot N has to show them.

max_tree_bytes=$((60 << 20))
max_added_bytes=$((6 << 20))

choose_files() {
  # find fails where a folder may not be read; what it did find will do.
  { find /usr/include /usr/share -xdev -type f -readable -size -2048k ! -name '*[^a-zA-Z0-9._+-]*' \
    -printf '%s\t%P\t%H\n' 2>/dev/null || true; } | sort -t "$(printf '\t')" -k3,3 -k2,2 |
    awk -F '\t' -v tree=$max_tree_bytes -v added=$max_added_bytes -v folder="$folder" '
      $2 ~ /[^a-zA-Z0-9.\/_+-]/ { next }
      { line = $1 "\t" substr($3, 2) "/" $2 }
      NR % 10 == 0 && (sum_added + $1) <= added { sum_added += $1; print line > (folder "/added.list")
        next }
      (sum + $1) > tree { next }
      { sum += $1; print line > (folder "/tree.list") }'
  awk -v folder="$folder" '
    NR % 40 == 7 { print > (folder "/changed.list") }
    NR % 25 == 3 { print > (folder "/deleted.list") }' "$folder/tree.list"
}

tree_size() { awk -F '\t' '{ sum += $1 } END { print sum + 0 }' "$1"; }
paths_of() { cut -f2 "$folder/$1.list"; }

copy_files() { # copy_files LIST TO
  paths_of "$1" | tar -C / -c -f - -T - | tar -C "$2" -x --no-same-owner -f -
}

# Something in the middle of each, and something more at its end.
change_files() { # change_files TREE
  local path
  paths_of changed | while read -r path; do
    printf 'changed by the demo' | dd of="$1/$path" bs=16 seek=3 conv=notrunc status=none
    printf 'and longer than it was\n' >>"$1/$path"
  done
}

delete_files() { paths_of deleted | (cd "$1" && xargs rm -f); }

sum_files() { # sum_files TREE NAME
  (cd "$1" && find usr -type f -print0 | sort -z | xargs -0 sha256sum) >"$folder/$2.sums"
}

check_files() { # check_files TREE NAME: these files, and no other
  (
    cd "$1" || exit
    sha256sum --check --quiet --strict "$folder/$2.sums"
    [ "$(find usr -type f | wc -l)" = "$(wc -l <"$folder/$2.sums")" ]
  )
}
