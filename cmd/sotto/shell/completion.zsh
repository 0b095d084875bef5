#compdef sotto
# Completion of sotto in zsh. What stands on the command line may be a stranger's
# words: they are passed on as they are, and nothing is evaluated.

_sotto() {
    local -a lines offers
    local line directive tab=$'\t'
    local program=${(Q)words[1]}
    lines=("${(@f)$(${program/#\~\//$HOME/} __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    directive=${lines[-1]}
    [[ $directive == :<-> ]] || return 1 # no sotto, or it has failed
    directive=${directive#:}
    (( directive & 1 )) && return 1
    # A value that is joined to its flag.
    [[ ${words[CURRENT]} == -*=* ]] && compset -P '*='
    for line in "${(@)lines[1,-2]}"; do
        # The part before the first colon is what is inserted.
        if [[ $line == *$tab* ]]; then
            offers+=("${${line%%$tab*}//:/\\:}:${line#*$tab}")
        else
            offers+=("${line//:/\\:}")
        fi
    done
    (( $#offers )) && _describe -V 'sotto' offers && return 0
    (( directive & 4 )) && return 1
    _files
}

# Read by compinit this file is the function; sourced, it defines it.
if [[ $funcstack[1] == _sotto ]]; then
    _sotto "$@"
else
    compdef _sotto sotto
fi
