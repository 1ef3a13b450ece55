/** `npm run soak:connections -- [SECONDS] [CONNECTIONS]`: by default ten minutes, with 5,000 bad connections at each listener. */
import { describeResources, soak } from './run.ts';

const [seconds = 600, connections = 5_000] = process.argv.slice(2).map(Number);
const tell = (line: string) => console.error(line);
for (const result of await soak({ seconds, connections, workers: 2, clients: 8, tell })) {
  const { transport, calm, attacked, before, peak, after } = result;
  console.log(`${transport}, ${connections} bad connections for ${seconds} s (${result.held} at once at most)`);
  console.log(`  served ${result.served}, errors ${JSON.stringify(result.errors)}`);
  console.log(`  before the attack: p50 ${calm.p50} ms, p99 ${calm.p99} ms, max ${calm.max} ms`);
  console.log(`  during the attack: p50 ${attacked.p50} ms, p99 ${attacked.p99} ms, max ${attacked.max} ms`);
  console.log(`  before ${describeResources(before)}; at most ${describeResources(peak)}`);
  console.log(`  ${Math.round(result.backSeconds)} s after it ${describeResources(after)}`);
  for (const [name, count] of Object.entries(result.opened)) console.log(`    ${count} times: ${name}`);
}
