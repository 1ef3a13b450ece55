/** The plot: for each load one bar a target, as long as its share of the fastest one's speed. A small SVG of its own making. */
import type { Load } from '../loads/load.ts';
import type { Result } from '../measure/result.ts';
import { figure, speed, UNITS } from './text.ts';

const WIDTH = 900;
const LABELS = 330;
const BAR = 13;
const GAP = 12;
const TOP = 56;
/** Told apart without colour too: the order of bars is that of the legend. */
const COLOURS = ['#9aa5b1', '#4c9a6a', '#d9a441', '#2b5c8a', '#a4508b', '#7b6d4f', '#c0504d', '#5f5f5f'];

export function plot(loads: readonly Load[], results: readonly Result[]): string {
  const targets = [...new Set(results.map(({ target }) => target))];
  const colour = (target: string) => COLOURS[targets.indexOf(target) % COLOURS.length] ?? '#000';
  const parts: string[] = [];
  let y = TOP;
  for (const load of loads) {
    const rows = results.filter((result) => result.load === load.name);
    const best = Math.max(...rows.map((result) => share(load, result)), 0);
    parts.push(text(8, y + BAR, load.title, 'font-weight="600"'));
    for (const result of rows) {
      const length = best === 0 ? 0 : (share(load, result) / best) * (WIDTH - LABELS - 110);
      parts.push(
        `<rect x="${LABELS}" y="${y}" width="${length.toFixed(1)}" height="${BAR - 2}" fill="${colour(result.target)}"/>`,
        text(LABELS + length + 6, y + BAR - 3, `${figure(speed(load, result))} ${UNITS[load.measure]}`),
      );
      y += BAR;
    }
    y += GAP;
  }
  const legend = targets.map((target, i) => {
    const x = 8 + i * 110;
    return `<rect x="${x}" y="30" width="12" height="12" fill="${colour(target)}"/>${text(x + 18, 40, target)}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" font-family="sans-serif" font-size="11" role="img" aria-label="Speed of each target under each load">`,
    `<rect width="${WIDTH}" height="${y}" fill="#fff"/>`,
    text(
      8,
      18,
      'Speed, longer is better; each load on its own scale. Listings: the shorter the time, the longer the bar.',
    ),
    ...legend,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** More is better: times are turned over. */
function share(load: Load, result: Result): number {
  const value = speed(load, result);
  const known = load.measure === 'latency' ? 1 / value : value;
  return Number.isFinite(known) ? known : 0;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${x.toFixed(0)}" y="${y}" fill="#222" ${attributes}>${escaped}</text>`;
}
