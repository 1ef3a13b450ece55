/** Circles among imports: the strongly connected components of more than one file (Tarjan 1972). */

/** `edges`: what each file imports; targets that are no key are left out. @returns each circle's files, sorted */
export function importCircles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const path: string[] = [];
  const circles: string[][] = [];
  /** @returns the place of the earliest file on the path that `file` leads back to */
  const visit = (file: string): number => {
    const place = order.size;
    order.set(file, place);
    path.push(file);
    let earliest = place;
    for (const next of edges.get(file) ?? []) {
      if (!edges.has(next)) continue;
      if (!order.has(next)) earliest = Math.min(earliest, visit(next));
      else if (path.includes(next)) earliest = Math.min(earliest, order.get(next) ?? place);
    }
    if (earliest === place) {
      const members = path.splice(path.indexOf(file));
      if (members.length > 1 || edges.get(file)?.includes(file) === true) circles.push(members.sort());
    }
    return earliest;
  };
  for (const file of edges.keys()) if (!order.has(file)) visit(file);
  return circles.sort((a, b) => (a[0] ?? '').localeCompare(b[0] ?? ''));
}
