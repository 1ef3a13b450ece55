/** Patterns of actions: `service:Name` with `*` and `?`, not case-sensitive (IAM user guide, "JSON policy elements: Action"). */
import { type Glob, globMatches } from './glob.ts';
import { MalformedPolicyDocument } from './malformed.ts';
import { parseTemplate } from './template.ts';

export interface ActionPatterns {
  /** `action`: as AWS writes it. */
  match(action: string): boolean;
}

const SERVICES = ['s3', 'iam', 'sts', 'sealgate'];
const FORM = /^(\*|([a-z0-9-]+):[A-Za-z0-9*?]+)$/i;

/** @throws MalformedPolicyDocument */
export function compileActions(texts: readonly string[]): ActionPatterns {
  const globs = texts.map(compileAction);
  // An action is one of a few dozen names, so what was decided of a name is kept.
  const decided = new Map<string, boolean>();
  return {
    match(action) {
      const known = decided.get(action);
      if (known !== undefined) return known;
      const lower = action.toLowerCase();
      const matched = globs.some((glob) => globMatches(glob, lower));
      decided.set(action, matched);
      return matched;
    },
  };
}

function compileAction(text: string): Glob {
  const [, , service] = FORM.exec(text) ?? [];
  if (!FORM.test(text)) {
    throw new MalformedPolicyDocument(
      `${JSON.stringify(text)} is no action: one is written "*" or service:Name, as s3:GetObject.`,
    );
  }
  if (service !== undefined && !SERVICES.includes(service.toLowerCase())) {
    throw new MalformedPolicyDocument(
      `${JSON.stringify(text)} is of a service that is not here: there are ${SERVICES.join(', ')}.`,
    );
  }
  const { glob } = parseTemplate(text.toLowerCase(), { wildcards: true });
  if (glob === undefined) throw new MalformedPolicyDocument('An action holds no variables.');
  return glob;
}
