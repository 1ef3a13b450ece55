/** The shortest sequence that still shows a difference: what follows it is cut, then steps are left out one by one. */
import type { Sequence, Twin, Unexplained } from './twin.ts';

/** Runs of the sequence at most. */
const MAX_TRIES = 60;

export async function minimal(twin: Twin, sequence: Sequence, found: Unexplained): Promise<Sequence> {
  let steps = sequence.steps.slice(0, found.step + 1);
  let tries = 0;
  for (let index = steps.length - 2; index >= 0 && tries < MAX_TRIES; index--) {
    const fewer = steps.filter((_, i) => i !== index);
    tries += 1;
    if (await shows(twin, { ...sequence, steps: fewer }, found)) steps = fewer;
  }
  return { ...sequence, steps };
}

async function shows(twin: Twin, sequence: Sequence, found: Unexplained): Promise<boolean> {
  try {
    const { unexplained } = await twin.run(sequence, { quietly: true });
    return unexplained.some(
      ({ request, difference }) => request === found.request && difference.at === found.difference.at,
    );
  } catch {
    // A value that only the step left out would have saved.
    return false;
  }
}
