/** A program that has used an MD5 thread and has nothing more to do: it must end by itself. */
import { Md5Threads } from '../../proxy/body/md5-threads.ts';

const pool = new Md5Threads({ threads: 1, streams: 1 });
const busy = setInterval(() => undefined, 60_000);
await pool.open()?.digest();
clearInterval(busy);
