/** Works through a list with several lanes at once, and adds up what each piece of work counted. */
export async function inLanes<T>(
  items: readonly T[],
  o: { atOnce: number; work: (item: T) => Promise<number> },
): Promise<number> {
  const waiting = items.values();
  let sum = 0;
  const lane = async (): Promise<void> => {
    // One iterator for all lanes. Not `sum += await`, which reads the sum before other lanes add to it.
    for (const item of waiting) {
      const counted = await o.work(item);
      sum += counted;
    }
  };
  await Promise.all(Array.from({ length: o.atOnce }, lane));
  return sum;
}
