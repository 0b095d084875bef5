# Completion of sotto in fish. What stands on the command line may be a stranger's
# words: they are passed on as they are, and nothing is evaluated.

# Sets __sotto_offers. False: files are wanted instead.
function __sotto_ask
    set -g __sotto_offers
    set -l words (commandline -opc)
    set -l begun (commandline -ct)
    set -l plain (string unescape -- "$begun")
    and set begun $plain
    set -l lines ($words[1] __complete $words[2..-1] "$begun" 2>/dev/null)
    string match -qr '^:[0-9]+$' -- "$lines[-1]"
    or return 1 # no sotto, or it has failed
    set -l directive (string sub -s 2 -- $lines[-1])
    test (math "bitand($directive, 1)") -eq 0
    or return 1
    # A value that is joined to its flag is offered with it.
    set -l flag (string match -r -- '^-[^=]*=' "$begun")
    for line in $lines[1..-2]
        set -a __sotto_offers "$flag$line"
    end
    test (count $__sotto_offers) -gt 0 -o (math "bitand($directive, 4)") -ne 0
end

complete -c sotto -e
complete -k -c sotto -n __sotto_ask -f -a '$__sotto_offers'
