# fish completion for ddsnap: verbs, options, sockets, snapshot tags, files.
set -g __ddsnap_candidates (status dirname)/../../../lib/ddsnap/candidates

function __ddsnap_complete
    set -l candidates $__ddsnap_candidates
    set -q DDSNAP_CANDIDATES; and set candidates $DDSNAP_CANDIDATES
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for entry in ($candidates $words[1] $words[2..-1] "$current" 2>/dev/null)
        switch $entry
            case /files
                __fish_complete_path "$current"
            case /folders
                __fish_complete_directories "$current"
            case '*'
                echo $entry
        end
    end
end

complete -c ddsnap -f -a '(__ddsnap_complete)'
