/**
 * All vectors, in the order in which they are written by test/vectors/make.ts.
 */
import { ATTRIBUTES_CASES } from './attributes.ts';
import { BODY_CASES } from './body.ts';
import type { VectorCase } from './build.ts';
import { FOOTER_CASES } from './footer.ts';
import { HEADER_CASES } from './header.ts';
import { OPENING_CASES } from './opening.ts';

export const VECTOR_CASES: readonly VectorCase[] = [
  ...OPENING_CASES,
  ...HEADER_CASES,
  ...ATTRIBUTES_CASES,
  ...BODY_CASES,
  ...FOOTER_CASES,
];
