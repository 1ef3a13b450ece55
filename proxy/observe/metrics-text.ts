/** Metrics as whoever scrapes them gets them. */
export interface MetricsText {
  /** Prometheus text exposition. */
  render(): Promise<string>;
  readonly contentType: string;
}
