/**
 * JSON lines on standard output. Callers log named fields only: never headers, targets with their query, keys, access key
 * ids or signatures. The redaction below is the second fence, not the first.
 */
import { type Logger as PinoLogger, pino } from 'pino';
import type { SecurityEvent } from './events.ts';

export type Logger = PinoLogger;

const NEVER: ReadonlySet<string> = new Set([
  'authorization',
  'secretAccessKey',
  'accessKeyId',
  'signature',
  'secret',
  'sealKeys',
]);
const CENSOR = '[withheld]';

export function createLogger(o: { level: string; destination?: { write(line: string): void } }): Logger {
  const options = {
    level: o.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: redacted },
    serializers: { err: describeError },
  };
  return o.destination === undefined ? pino(options) : pino(options, o.destination);
}

/**
 * Replaces the values of secret fields, at the top level and one level below. Every line passes here, so a line without such a
 * field is not copied.
 */
function redacted(fields: Record<string, unknown>): Record<string, unknown> {
  let out = fields;
  for (const name in fields) {
    const value = fields[name];
    const shown = NEVER.has(name) ? CENSOR : isPlain(value) ? withoutSecrets(value) : value;
    if (shown === value) continue;
    if (out === fields) out = { ...fields };
    out[name] = shown;
  }
  return out;
}

function withoutSecrets(value: Record<string, unknown>): Record<string, unknown> {
  let out = value;
  for (const name in value) {
    if (!NEVER.has(name)) continue;
    if (out === value) out = { ...value };
    out[name] = CENSOR;
  }
  return out;
}

/** Errors have a serializer of their own, which picks what it shows. */
function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Error);
}

/** Errors of parsers quote their input, such as a document or a record. */
const QUOTES_ITS_INPUT: ReadonlySet<string> = new Set(['SyntaxError', 'ZodError', 'YAMLParseError']);

/** Type, code, message and stack of an error and of its causes. The message is left out where it repeats the input. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  const { code } = error as { code?: unknown };
  const frames = error.stack?.split('\n').filter((line) => /^ +at /.test(line));
  if (!QUOTES_ITS_INPUT.has(error.name))
    return { type: error.name, code, message: error.message, stack: error.stack, ...cause };
  return { type: error.name, code, message: '[withheld]', stack: frames?.join('\n'), ...cause };
}

export function securityEventsTo(log: Logger): (event: SecurityEvent) => void {
  return ({ detail, ...event }) => log.warn({ securityEvent: event.kind, ...event }, detail);
}
