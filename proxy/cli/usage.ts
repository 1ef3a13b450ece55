/** The help of the commands that start a server. */

export const SERVE_USAGE = `Usage: sealgate serve

Serves S3, configured by SEALGATE_* variables, or by a YAML file that SEALGATE_CONFIG names. Takes no options. It begins with
what 'sealgate check' does, and does not start when that finds a fault.

Signals
  SIGTERM  stops: /readyz says 503, and after SEALGATE_DRAIN_DELAY no connection is taken; requests under way may go on
           for SEALGATE_DRAIN_TIMEOUT
  SIGINT   the same without the delay
  SIGHUP   reads the TLS pair, the seal keys, the credentials of the store and the log level again: all of them or none

Exit codes: 0 stopped by a signal; 1 could not start, and standard error says why; 2 the command line was wrong.
`;

export const QUICKSTART_USAGE = `Usage: sealgate quickstart

Starts with an embedded store under ./sealgate-data. The first run makes a seal key, a tenant and the bucket 'demo', and keeps
the credentials in ./sealgate-data/credentials.json. Takes no options; SEALGATE_* variables count as with 'sealgate serve'.

Exit codes: 0 stopped by a signal; 1 could not start, and standard error says why; 2 the command line was wrong.
`;
