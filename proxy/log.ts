/**
 * JSON lines on standard output. Callers log named fields only: never headers, targets with their query, keys, access key
 * ids or signatures. The redaction below is the second fence, not the first.
 */
import { type Logger as PinoLogger, pino } from 'pino';
import type { EmitSecurityEvent } from './events.ts';

export type Logger = PinoLogger;

const NEVER = ['authorization', 'secretAccessKey', 'accessKeyId', 'signature', 'secret', 'sealKeys'];

export function createLogger(o: { level: string; destination?: { write(line: string): void } }): Logger {
  const options = {
    level: o.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: NEVER.flatMap((name) => [name, `*.${name}`]), censor: '[withheld]' },
    serializers: { err: describeError },
  };
  return o.destination === undefined ? pino(options) : pino(options, o.destination);
}

/** What a parser complains of, it quotes: a document, a record. */
const QUOTES_ITS_INPUT: ReadonlySet<string> = new Set(['SyntaxError', 'ZodError', 'YAMLParseError']);

/** Type, code, message and stack, causes too; without the message where it repeats what was read. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const cause = error.cause === undefined ? {} : { cause: describeError(error.cause) };
  const { code } = error as { code?: unknown };
  const frames = error.stack?.split('\n').filter((line) => /^ +at /.test(line));
  if (!QUOTES_ITS_INPUT.has(error.name))
    return { type: error.name, code, message: error.message, stack: error.stack, ...cause };
  return { type: error.name, code, message: '[withheld]', stack: frames?.join('\n'), ...cause };
}

export function securityEventsTo(log: Logger): EmitSecurityEvent {
  return ({ detail, ...event }) => log.warn({ securityEvent: event.kind, ...event }, detail);
}
