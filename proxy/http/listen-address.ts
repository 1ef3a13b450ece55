/** The address where a server listens, in a configuration and in a running server. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}
