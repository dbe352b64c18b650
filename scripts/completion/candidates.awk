# Reads a verb's --help, is told the words of the line, and says which kinds of word fit at its end:
# "word W WHAT", or server, tags, files, folders, volumes, targets; before them each object that the
# line has, and the folder of configurations. Part of candidates.
BEGIN {
  for (i = 1; i < ARGC; ++i) line[i] = ARGV[i]
  count = ARGC - 1
  ARGC = 1
}
/^Usage: / { in_usage = 1; sub(/^Usage: /, "") }
in_usage && NF == 0 { in_usage = 0 }
in_usage {
  sub(/^ +/, "")
  usage[/^ddsnap / || variants == 0 ? ++variants : variants] = \
    usage[variants] (/^ddsnap / ? "" : " ") $0
}
/^Options:/ { in_options = 1; next }
in_options && NF == 0 { in_options = 0 }
in_options && /^  -/ {
  names = $1
  value = ($2 != "" && substr($0, 3 + length(names), 1) == " " && substr($0, 4 + length(names), 1) != " ") ? $2 : ""
  what = $0
  sub(/^ +[^ ]+ ?[^ ]* */, "", what)
  if (value == "") { what = $0; sub(/^ +[^ ]+ */, "", what) }
  n = split(names, each, ",")
  for (i = 1; i <= n; ++i) { takes[each[i]] = value; tells[each[i]] = what; order[++options] = each[i] }
}

# What an option's value may be.
function value_kinds(option, value,    i, n, each, rest) {
  for (i = 1; i <= variants; ++i)
    if ((rest = usage[i]) ~ option " [a-z0-9|-]+[|][a-z0-9|-]+") {
      sub(".*" option " ", "", rest)
      sub(/[ \]].*/, "", rest)
      value = rest
    }
  if (value ~ /^[a-z0-9-]+[|]/) {
    n = split(value, each, "|")
    for (i = 1; i <= n; ++i) print "word\t" each[i] "\t"
  } else if (value == "NAME[:LEVEL]") {
    n = split("zstd zlib lz4 none", each, " ")
    for (i = 1; i <= n; ++i) print "word\t" each[i] "\t"
  } else if (value == "TAG") print "tags"
  else if (value ~ /^(DIR|MOUNT|FOLDER)$/) print "folders"
  else if (value ~ /^(SERVER|CONTROL)$/) print "server"
  else if (value ~ /^(FILE|LOG|PIDFILE|DEV|DIGEST|OUT|OUT\..*|PATH)$/) print "files"
}

# The objects of a usage line, in order, in token[]; optional ones have optional[] set.
function split_usage(text,    i, c, depth, word) {
  tokens = 0
  text = text " "
  word = ""
  depth = 0
  for (i = 1; i <= length(text); ++i) {
    c = substr(text, i, 1)
    if (c == "[" && word == "") { ++depth; continue }
    if (c == "[") { word = word c; ++inner; continue }
    if (c == "]" && inner > 0) { word = word c; --inner; continue }
    if (c == "]" || c == " ") {
      if (word != "") take(word, depth)
      word = ""
      if (c == "]") { if (--depth == 0) is_option = 0 }
      continue
    }
    word = word c
  }
}
function take(word, depth) {
  if (word == "..." || word == "|") return
  if (substr(word, 1, 1) == "-") { is_option = depth > 0; skips = depth == 0 && takes[word] != ""; return }
  if (is_option && depth > 0) return
  if (skips) { skips = 0; return }
  token[++tokens] = word
  optional[tokens] = depth > 0
  repeats[tokens] = word ~ /\.\.\.$/
}

function object_kinds(word, verb) {
  sub(/\.\.\.$/, "", word)
  if (word ~ /^[a-z|-]+$/) {
    n = split(word, each, "|")
    for (j = 1; j <= n; ++j) print "word\t" each[j] "\t"
  }
  if (word ~ /^(SERVER|SERVER\|DEV|CONTROL)$/) print "server"
  if (word ~ /^(TAG|FROM|TO|LABEL|TAGS)$/ && verb != "create") print "tags"
  if (word == "TO" && verb == "create-cl") print "word\tnow\tas it is at present"
  if (word == "NAME" && object[1] != "create") print "volumes"
  if (word == "TARGET") print "targets"
  if (word == "DIR") print "folders"
  if (word ~ /^(A|B|SNAPSTORE|ORIGIN|META|DEV.*|OLD|NEW|FILE|CHANGELIST|DELTA|OUT|STREAM|CL|NAME=DEV)$/) print "files"
}

END {
  current = line[count]
  verb = ""
  waits = ""  # the option whose value comes next
  for (i = 1; i < count; ++i) {
    word = line[i]
    if (waits != "") {
      if (waits == "--config") print "config\t" word
      waits = ""
    } else if (word ~ /^-./) {
      given[word] = 1
      if (takes[word] != "") waits = word
    } else if (verb == "") verb = word
    else { object[++objects] = word; print "object\t" word }
  }
  if (waits != "") { value_kinds(waits, takes[waits]); exit }
  if (current ~ /^-/) {
    for (i = 1; i <= options; ++i) if (!(order[i] in given)) print "word\t" order[i] "\t" tells[order[i]]
    exit
  }
  at = objects + 1
  for (v = 1; v <= variants; ++v) {
    text = usage[v]
    sub("^ddsnap " verb " ?", "", text)
    split_usage(text)
    fits = 1
    for (k = 1; k < at && k <= tokens; ++k)
      if (token[k] ~ /^[a-z|-]+$/ && index("|" token[k] "|", "|" object[k] "|") == 0) fits = 0
    before = 0
    last = 0
    for (k = 1; k <= tokens && fits; ++k) {
      # An object may be further in front where optional ones are left out.
      if ((at <= k && at >= k - before) || (last && at > k)) object_kinds(token[k], verb)
      if (optional[k]) ++before
      if (repeats[k]) { last = 1; if (at > k) object_kinds(token[k], verb) }
    }
  }
}
