/** Where a server listens: of a configuration, and of what it starts. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}
