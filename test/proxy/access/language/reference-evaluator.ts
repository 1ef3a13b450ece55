/**
 * A second evaluator for the property test, by other means than the program's: it interprets the JSON for each request, matches
 * wildcards by a table over both texts, and compares addresses as numbers. Slow, and only for policies that are well formed.
 */

type Json = Record<string, unknown>;
type Values = ReadonlyMap<string, string>;

export interface ReferenceRequest {
  readonly action: string;
  readonly resource: string;
  /** By lower-case key. */
  readonly values: Values;
}

export function referenceDecision(policy: { Statement: readonly Json[] }, request: ReferenceRequest): boolean {
  const applying = policy.Statement.filter((statement) => applies(statement, request)).map(({ Effect }) => Effect);
  return applying.includes('Allow') && !applying.includes('Deny');
}

const list = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);

/** `undefined` is "cannot be told", which only a Deny takes for a yes. */
function applies(statement: Json, request: ReferenceRequest): boolean {
  const outcomes = [
    actionApplies(statement, request.action.toLowerCase()),
    resourceApplies(statement, request),
    ...Object.entries((statement['Condition'] ?? {}) as Record<string, Json>).flatMap(([operator, lines]) =>
      Object.entries(lines).map(([key, texts]) =>
        condition(statement['Effect'], operator, key.toLowerCase(), list(texts), request.values),
      ),
    ),
  ];
  return outcomes.every((outcome) => outcome ?? statement['Effect'] === 'Deny');
}

function actionApplies(statement: Json, action: string): boolean {
  const negative = 'NotAction' in statement;
  const hit = list(negative ? statement['NotAction'] : statement['Action']).some((text) =>
    wild([...text.toLowerCase()].map(asPattern), action),
  );
  return hit !== negative;
}

function resourceApplies(statement: Json, { resource, values }: ReferenceRequest): boolean | undefined {
  const negative = 'NotResource' in statement;
  const outcomes = list(negative ? statement['NotResource'] : statement['Resource']).map((text) => {
    const pattern = substitute(text, values, true);
    return pattern === undefined ? undefined : wild(pattern, resource);
  });
  // A Deny takes what cannot be told for a yes, an Allow never rests on it.
  if (outcomes.includes(undefined) && (negative || statement['Effect'] === 'Deny')) return undefined;
  return outcomes.includes(true) !== negative;
}

function condition(
  effect: unknown,
  operator: string,
  key: string,
  texts: string[],
  values: Values,
): boolean | undefined {
  const [, set, name = '', ifExists] = /^(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?$/.exec(operator) ?? [];
  const value = values.get(key);
  if (name === 'Null') return (value === undefined) === (texts[0] === 'true');
  const negative = /^(\w*Not)/.test(name);
  if (value === undefined) {
    if (key === 'aws:sourceip') return effect === 'Deny';
    if (ifExists !== undefined || set === 'ForAllValues') return true;
    return set === undefined && negative;
  }
  const positive = name.replace('Not', '');
  const outcomes = texts.map((text) => equal(positive, text, value, values));
  if (outcomes.includes(true)) return !negative;
  return outcomes.includes(undefined) ? undefined : negative;
}

function equal(operator: string, text: string, value: string, values: Values): boolean | undefined {
  if (operator === 'IpAddress') return inBlock(value, text);
  if (operator.startsWith('Numeric')) return compare(operator.slice(7), Number(value), Number(text));
  if (operator.startsWith('Date')) return compare(operator.slice(4), Date.parse(value), Date.parse(text));
  if (operator === 'Bool') return value === text;
  const pattern = substitute(text, values, operator === 'StringLike');
  if (pattern === undefined) return undefined;
  if (operator === 'StringEqualsIgnoreCase') return wild(lower(pattern), value.toLowerCase());
  return wild(pattern, value);
}

function compare(how: string, a: number, b: number): boolean | undefined {
  if (Number.isNaN(a)) return undefined;
  if (how === 'Equals') return a === b;
  if (how.startsWith('Less')) return a < b || (how.endsWith('Equals') && a === b);
  return a > b || (how.endsWith('Equals') && a === b);
}

function inBlock(address: string, block: string): boolean | undefined {
  const [network = '', bits = '32'] = block.split('/');
  const number = (text: string) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  if (!/^\d+\.\d+\.\d+\.\d+$/.test(address)) return undefined;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(address) / size) === Math.floor(number(network) / size);
}

/** A character, or what stands for one or any. */
type Pattern = readonly (string | 1 | 2)[];

const asPattern = (character: string) => (character === '?' ? 1 : character === '*' ? 2 : character);
const lower = (pattern: Pattern): Pattern => pattern.map((one) => (typeof one === 'string' ? one.toLowerCase() : one));

function substitute(text: string, values: Values, wildcards: boolean): Pattern | undefined {
  const pattern: (string | 1 | 2)[] = [];
  for (const piece of text.split(/(\$\{[^}]*\})/)) {
    const [, content] = /^\$\{(.*)\}$/.exec(piece) ?? [];
    if (content === undefined) pattern.push(...[...piece].map((one) => (wildcards ? asPattern(one) : one)));
    else if (content === '*' || content === '?' || content === '$') pattern.push(content);
    else {
      const [, name = '', otherwise] = /^([^,]+)(?:, '(.*)')?$/.exec(content) ?? [];
      const value = values.get(name.toLowerCase()) ?? otherwise;
      if (value === undefined) return undefined;
      pattern.push(...value);
    }
  }
  return pattern;
}

/** Whether pattern [0, i) is text [0, j), for all i and j. */
function wild(pattern: Pattern, text: string): boolean {
  const characters = [...text];
  let row = [true, ...characters.map(() => false)];
  for (const one of pattern) {
    const next = [one === 2 && row[0] === true];
    for (let j = 1; j <= characters.length; j++) {
      if (one === 2) next.push(row[j] === true || next[j - 1] === true);
      else next.push(row[j - 1] === true && (one === 1 || one === characters[j - 1]));
    }
    row = next;
  }
  return row[characters.length] === true;
}
