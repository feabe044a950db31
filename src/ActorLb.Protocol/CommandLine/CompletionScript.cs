namespace ActorLb.Protocol.CommandLine;

/// <summary>The shell code that makes Tab complete a program's command line: it asks the program itself, by the directive
/// [suggest].</summary>
public static class CompletionScript
{
    public static readonly string[] Shells = ["bash", "zsh"];

    public static string For(string program, string shell) => (shell == "zsh" ? Zsh : Bash).Replace("PROGRAM", program, StringComparison.Ordinal);

    // Bash completes only what follows the last colon, and addresses contain colons; it completes file names by itself.
    private const string Bash = """
        _PROGRAM() {
          local IFS=$'\n' word=${COMP_LINE:0:COMP_POINT} i
          word=${word##* }
          COMPREPLY=()
          while read -r i; do
            [[ $i == "$word"* && ( $i != [-/]* || $word == -* ) ]] && COMPREPLY+=("$i")
          done < <(PROGRAM "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)
          if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
            for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"${word%"${word##*:}"}"}; done
          fi
        }
        complete -o default -F _PROGRAM PROGRAM

        """;

    private const string Zsh = """
        _PROGRAM() {
          local -a found
          found=("${(@f)$(PROGRAM "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
          [[ $PREFIX == -* ]] || found=("${(@)found:#[-\/]*}")
          (( ${#found} )) && compadd -- $found || _files
        }
        compdef _PROGRAM PROGRAM

        """;
}
