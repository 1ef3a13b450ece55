/** Walks JSON documents for tamper tables: every leaf, every member, every array, each with a way to change it. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonPath = readonly (string | number)[];

/** Paths of all values that are neither object nor non-empty array. */
export function leafPaths(value: Json, at: JsonPath = []): readonly JsonPath[] {
  if (value === null || typeof value !== 'object') return [at];
  const children = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  if (children.length === 0) return [at];
  return children.flatMap(([name, child]) => leafPaths(child, [...at, name]));
}

/** Paths of all objects, the document itself included. */
export function objectPaths(value: Json, at: JsonPath = []): readonly JsonPath[] {
  if (value === null || typeof value !== 'object') return [];
  const children = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  const below = children.flatMap(([name, child]) => objectPaths(child, [...at, name]));
  return Array.isArray(value) ? below : [at, ...below];
}

export function valueAt(value: Json, path: JsonPath): Json {
  return path.reduce<Json>((within, name) => {
    const child =
      within !== null && typeof within === 'object' ? (within as { [name: string]: Json })[name] : undefined;
    if (child === undefined) throw new Error(`Nothing at ${path.join('.')}`);
    return child;
  }, value);
}

/** A deep copy with the value at `path` replaced, or removed when `change` returns `undefined`. */
export function changeAt(value: Json, path: JsonPath, change: (old: Json) => Json | undefined): Json {
  const copy = structuredClone(value);
  const last = path.at(-1);
  if (last === undefined) return change(copy) ?? null;
  const parent = valueAt(copy, path.slice(0, -1)) as { [name: string]: Json };
  const changed = change(valueAt(copy, path));
  if (changed !== undefined) parent[last] = changed;
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return copy;
}

/** Another value of the same form wherever that can be: hex, base64, times, known words and numbers stay such. */
export function flip(value: Json): Json {
  if (value === null) return '2099-01-01T00:00:00Z';
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value + 1;
  if (typeof value !== 'string') return [0];
  const words: Readonly<Record<string, string>> = {
    'read-only': 'read-write',
    'read-write': 'read-only',
    active: 'inactive',
    draining: 'retired',
    current: 'draining',
    '': 'x',
  };
  const word = words[value];
  if (word !== undefined) return word;
  const at = /^\d{4}-\d\d-\d\dT/.test(value) ? 3 : 0;
  const digit = value.charAt(at);
  return (
    value.slice(0, at) +
    (/\d/.test(digit) ? String((Number(digit) + 1) % 10) : digit === 'a' ? 'b' : 'a') +
    value.slice(at + 1)
  );
}
