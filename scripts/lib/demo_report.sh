# shellcheck shell=bash
# How the demo tells what it did: rows of text, size, time and a note, under headings.

elapsed_ms=0

timed() { # timed COMMAND...: runs it here, and the next row shows how long it took
  local start_us=${EPOCHREALTIME/[.,]/}
  "$@"
  elapsed_ms=$(((${EPOCHREALTIME/[.,]/} - start_us) / 1000))
}

title() { printf '%s\n' "$1"; }
heading() { printf '\n%-66s %10s %9s\n' "$1" size time; }
note() { printf '  %s\n' "$*"; }

row() { # row TEXT [BYTES [NOTE]]
  local size=''
  [ -z "${2:-}" ] || size=$(human "$2")
  printf '  %-64s %10s %7s s  %s\n' "$1" "$size" "$(in_seconds $elapsed_ms)" "${3:-}"
}

human() { # human BYTES
  awk -v n="$1" 'BEGIN {
    split("B KiB MiB GiB", unit); i = 1
    while (n >= 1024 && i < 4) { n /= 1024; i++ }
    printf (i == 1 || n >= 100) ? "%.0f %s" : "%.1f %s", n, unit[i] }'
}

in_seconds() { awk -v n="$1" 'BEGIN { printf "%.2f", n / 1000 }'; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f%%", b ? 100 * a / b : 0 }'; }
rate() { echo "$(human $(($1 * 1000 / (elapsed_ms > 0 ? elapsed_ms : 1))))/s"; }
size_of() { stat -c %s "$1"; }
