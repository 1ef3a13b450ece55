/**
 * The Action or NotAction of a statement, as the actions that it names: `service:Name` with `*` and `?`, not case-sensitive (IAM
 * user guide, "JSON policy elements: Action").
 */
import { ACTIONS, type Action } from '../actions.ts';
import { type Glob, globMatches } from './glob.ts';
import { MalformedPolicyDocument } from './malformed.ts';
import { parseTemplate } from './template.ts';

const SERVICES = ['s3', 'iam', 'sts'];
const FORM = /^(\*|([a-z0-9-]+):[A-Za-z0-9*?]+)$/i;

/** `excepted`: they are those of a NotAction. @throws MalformedPolicyDocument */
export function actionsNamed(texts: readonly string[], o: { excepted: boolean }): ReadonlySet<Action> {
  const globs = texts.map(compileAction);
  const isNamed = (action: Action) => globs.some((glob) => globMatches(glob, action.toLowerCase()));
  return new Set(ACTIONS.filter((action) => isNamed(action) !== o.excepted));
}

/** Those that match no action of this endpoint: typing errors, or actions that only AWS has. */
export function actionsUnknown(texts: readonly string[]): readonly string[] {
  return texts.filter((text) => {
    const glob = compileAction(text);
    return !ACTIONS.some((action) => globMatches(glob, action.toLowerCase()));
  });
}

function compileAction(text: string): Glob {
  const [whole, , service] = FORM.exec(text) ?? [];
  if (whole === undefined) {
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
