/**
 * Every way in which the proxy's reply may differ from the bare store's, by name, with the reason. docs/conformance.md lists the
 * same names and reasons. A rule says where it applies as narrowly as it can: place, operation, and what both sides said.
 */
import { EMBEDDED } from './allowed/embedded.ts';
import { GENERAL } from './allowed/general.ts';
import { MINIO } from './allowed/minio.ts';
import { MOTO } from './allowed/moto.ts';
import type { Allowed } from './allowed/rule.ts';
import { SEMANTICS } from './allowed/semantics.ts';
import { TEXTS } from './allowed/texts.ts';

export type { Allowed };

/** The first that fits counts. */
export const ALLOWED: readonly Allowed[] = [...GENERAL, ...TEXTS, ...SEMANTICS, ...MINIO, ...MOTO, ...EMBEDDED];
