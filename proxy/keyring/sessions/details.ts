/**
 * What a session token says besides keys and times. Tags of two kinds are kept apart: those that the operator set or mapped from
 * a token's claims, which every policy sees, and those that the caller chose, which only the session's own policy sees.
 */
import { z } from 'zod';

const tags = z.record(z.string().min(1).max(128), z.string().max(256));

const schema = z.strictObject({
  /** Name of the role, with the slot or record it is kept in. */
  role: z.string().max(64).optional(),
  /** RoleSessionName, or the name of a federated user. */
  name: z.string().max(64).optional(),
  /** A session policy, as it was given. */
  policy: z.string().optional(),
  /** Set by the operator, or mapped from claims by the list of the role. */
  tags: tags.optional(),
  /** By the caller. */
  callerTags: tags.optional(),
  /** Issuer of the token that was exchanged, for the audit. */
  issuer: z.string().max(1_024).optional(),
  subject: z.string().max(1_024).optional(),
  /** Requests that the session may make, the id that they are counted under, and seconds since 1970 until when. */
  uses: z.strictObject({ id: z.string().min(1).max(64), max: z.int().min(1), until: z.int().min(0) }).optional(),
});

export type SessionDetails = z.infer<typeof schema>;

/** JSON with the members in the schema's order; '' for none. @throws for what a token cannot hold: our own bug */
export function sessionDetailsText(details: SessionDetails): string {
  const text = JSON.stringify(schema.parse(details));
  return text === '{}' ? '' : text;
}

/** `undefined`: not what `sessionDetailsText` writes. */
export function parseSessionDetails(text: string): SessionDetails | undefined {
  if (text === '') return {};
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success && sessionDetailsText(parsed.data) === text ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
