# bash completion for ddsnap: verbs, options, sockets, snapshot tags, files.
_ddsnap_candidates=$(dirname "${BASH_SOURCE[0]}")/../../../lib/ddsnap/candidates

_ddsnap() {
  local line=${COMP_LINE:0:COMP_POINT} words current entry word cut=""
  read -ra words <<<"$line"
  case $line in *[[:space:]]) words+=("") ;; esac
  current=${words[-1]}
  # bash replaces only what stands behind the last of these.
  case $current in
    *[:=@]*)
      cut=${current%"${current##*[:=@]}"}
      [[ $COMP_WORDBREAKS == *"${cut: -1}"* ]] || cut=""
      ;;
  esac
  COMPREPLY=()
  while IFS= read -r entry; do
    word=${entry%%$'\t'*}
    case $word in
      /files | /folders)
        local how=-f path
        [ "$word" = /files ] || how=-d
        compopt -o filenames 2>/dev/null
        while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$how" -- "$current")
        ;;
      "$current"*) COMPREPLY+=("${word#"$cut"}") ;;
    esac
  done < <("${DDSNAP_CANDIDATES:-$_ddsnap_candidates}" "${words[0]}" "${words[@]:1}" 2>/dev/null)
  # More comes behind these: a tag, or the rest of a path.
  [ ${#COMPREPLY[@]} != 1 ] || case ${COMPREPLY[0]} in *'#' | */) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _ddsnap ddsnap
