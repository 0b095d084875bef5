# Completion of sotto in bash. What stands on the command line may be a stranger's
# words: they are passed on as they are, and nothing is evaluated.

# Sets words to those of a command line, without their quotes. The last is the one
# under the cursor, and may be empty.
_sotto_words() {
    local rest=$1 word=
    local plain='^[^"'\''\[:space:]]+' single="^'([^']*)('?)" double='^"(([^"\]|\\.)*)("?)' space='^[[:space:]]+' escaped='^\\(.?)'
    words=()
    while [[ -n $rest ]]; do
        if [[ $rest =~ $space ]]; then
            words+=("$word") word=
        elif [[ $rest =~ $plain ]]; then
            word+=${BASH_REMATCH[0]}
        elif [[ $rest =~ $escaped || $rest =~ $single ]]; then
            word+=${BASH_REMATCH[1]}
        elif [[ $rest =~ $double ]]; then
            word+=${BASH_REMATCH[1]//\\/}
        else
            break
        fi
        rest=${rest:${#BASH_REMATCH[0]}}
    done
    words+=("$word")
}

_sotto() {
    local -a words lines
    local line directive value prefix=
    COMPREPLY=()
    _sotto_words "${COMP_LINE:0:COMP_POINT}"
    while IFS= read -r line; do
        lines+=("$line")
    done < <("${words[0]/#\~\//$HOME/}" __complete "${words[@]:1}" 2>/dev/null)
    (( ${#lines[@]} > 0 )) || return # no sotto
    directive=${lines[${#lines[@]}-1]}
    unset "lines[${#lines[@]}-1]"
    [[ $directive =~ ^:[0-9]+$ ]] || return # it has failed
    directive=${directive#:}
    (( directive & 4 )) && compopt +o default 2>/dev/null
    (( directive & 1 )) && return
    # A value that is joined to its flag, where bash takes both for one word.
    line=${words[${#words[@]}-1]}
    [[ $line == -*=* && $COMP_WORDBREAKS != *=* ]] && prefix=${line%%=*}=
    for line in "${lines[@]}"; do
        value=$prefix${line%%$'\t'*}
        if [[ $COMP_TYPE == 63 && $line == *$'\t'* ]] && (( ${#lines[@]} > 1 )); then
            # A list to look at, of which nothing is inserted.
            COMPREPLY+=("$(printf '%-4s (%s)' "$value" "${line#*$'\t'}")")
        elif [[ ${COMP_WORDS[COMP_CWORD]} == [\"\']* ]]; then
            COMPREPLY+=("$value") # bash closes the quotes
        else
            COMPREPLY+=("$(printf %q "$value")")
        fi
    done
}

complete -o default -o nosort -F _sotto sotto 2>/dev/null || complete -o default -F _sotto sotto
