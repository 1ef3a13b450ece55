/**
 * `sealgate completion SHELL`: a script that completes commands and options in bash, zsh or fish. What there is to complete is read
 * out of the help of each command, so that no second list is kept.
 */
import { type Output, parseCommand, reporting, shape, UsageError } from './command-line.ts';
import { PROCESS_OUTPUT } from './process-output.ts';

export const COMPLETION_USAGE = `Usage: sealgate completion bash|zsh|fish

Prints a script that completes commands and options.

  bash  source <(sealgate completion bash)
  zsh   source <(sealgate completion zsh)
  fish  sealgate completion fish | source

Exit codes: 0 done; 2 the command line was wrong.
`;

/** A command as its help has it. */
export interface Completable {
  readonly words: readonly string[];
  readonly usage: string;
}

/** What may follow each beginning of a command line: words and options. `''` is the beginning of all. */
export type Completions = ReadonlyMap<string, readonly string[]>;

const SHELLS: Readonly<Record<string, (completions: Completions) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** @returns the exit code */
export async function completionCommand(
  args: readonly string[],
  commands: readonly Completable[],
  output: Output = PROCESS_OUTPUT,
): Promise<number> {
  return reporting({ ...output, command: 'completion', usage: COMPLETION_USAGE }, async () => {
    const { positionals } = parseCommand(args, shape(['SHELL'], {}));
    const [name = ''] = positionals;
    const script = Object.hasOwn(SHELLS, name) ? SHELLS[name] : undefined;
    if (script === undefined) throw new UsageError(`SHELL is one of ${Object.keys(SHELLS).join(', ')}.`);
    output.out(script(completionsOf(commands)).trimEnd());
    return 0;
  });
}

export function completionsOf(commands: readonly Completable[]): Completions {
  const found = new Map<string, Set<string>>();
  const add = (beginning: string, word: string) => {
    const words = found.get(beginning) ?? new Set();
    found.set(beginning, words.add(word));
  };
  for (const { words, usage } of commands) {
    const options = [...usage.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([option]) => option);
    for (const path of [plainWords(words), ...pathsOf(usage)]) {
      for (const [at, word] of path.entries()) add(path.slice(0, at).join(' '), word);
      for (const option of [...options, '--help']) add(path.join(' '), option);
    }
  }
  for (const word of ['help', 'version']) add('', word);
  return new Map([...found].map(([beginning, words]) => [beginning, [...words].sort()]));
}

function plainWords(words: readonly string[]): readonly string[] {
  return words.filter((word) => !word.startsWith('-'));
}

/** `sealgate tenant create --bucket NAME` in a help is the path `tenant create`. */
function pathsOf(usage: string): readonly (readonly string[])[] {
  return [...usage.matchAll(/^(?:Usage:)? *sealgate((?: [a-z][a-z-]*(?![\w|-]))+)/gm)].map(([, path = '']) =>
    path.trim().split(' '),
  );
}

/** The longest beginnings first: the first that fits a command line counts. */
function ordered(completions: Completions): readonly (readonly [string, readonly string[]])[] {
  return [...completions].sort(([one], [other]) => other.length - one.length);
}

function bashScript(completions: Completions): string {
  const cases = ordered(completions).map(([beginning, words]) => {
    const pattern = beginning === '' ? '*' : `'${beginning} '*`;
    return `    ${pattern}) words='${words.join(' ')}' ;;`;
  });
  return `_sealgate() {
  local words before="\${COMP_WORDS[*]:1:COMP_CWORD-1} "
  case "$before" in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _sealgate sealgate
`;
}

function zshScript(completions: Completions): string {
  const cases = ordered(completions).map(([beginning, words]) => {
    const pattern = beginning === '' ? '*' : `"${beginning} "*`;
    return `    ${pattern}) compadd -- ${words.join(' ')} ;;`;
  });
  return `_sealgate() {
  local before="\${(j: :)words[2,CURRENT-1]} "
  case "$before" in
${cases.join('\n')}
  esac
  [[ "$PREFIX" = -* ]] || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _sealgate sealgate
`;
}

function fishScript(completions: Completions): string {
  const cases = ordered(completions).map(([beginning, words]) => {
    const pattern = beginning === '' ? `'*'` : `'${beginning} *'`;
    return `    case ${pattern}\n      printf '%s\\n' ${words.join(' ')}`;
  });
  return `function __sealgate_complete
  set --local before (commandline --current-process --tokenize --cut-at-cursor)
  switch (string join ' ' -- $before[2..-1] '')
${cases.join('\n')}
  end
end
complete --command sealgate --arguments '(__sealgate_complete)'
`;
}
