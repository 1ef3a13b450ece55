/** Ends the processes that it was last told of when its parent is gone, however that ended. */
let pids: readonly number[] = [];

process.on('message', (message: readonly number[]) => {
  pids = message;
});
process.once('disconnect', () => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }
  process.exit(0);
});
