/** Seconds (contract 01 §12.3). */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What happened at one method of one route. */
export class Series {
  readonly #statuses = new Map<number, number>();
  /** The last one counts what took longer than every bound. */
  readonly #counts = new Float64Array(BUCKETS.length + 1);
  #sum = 0;

  constructor(
    private readonly method: string,
    private readonly route: string,
  ) {}

  observe(status: number, seconds: number): void {
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    this.#sum += seconds;
    let i = 0;
    while (i < BUCKETS.length && seconds > BUCKETS[i]!) i++;
    this.#counts[i]! += 1;
  }

  writeTo(totals: string[], durations: string[]): void {
    if (this.#statuses.size === 0) return;
    const labels = `method="${this.method}",route="${this.route}"`;
    for (const [status, count] of this.#statuses)
      totals.push(`http_requests_total{${labels},status="${status}"} ${count}`);
    const name = "http_request_duration_seconds";
    let below = 0;
    BUCKETS.forEach((bound, i) => {
      below += this.#counts[i]!;
      durations.push(`${name}_bucket{${labels},le="${bound}"} ${below}`);
    });
    below += this.#counts[BUCKETS.length]!;
    durations.push(
      `${name}_bucket{${labels},le="+Inf"} ${below}`,
      `${name}_sum{${labels}} ${this.#sum}`,
      `${name}_count{${labels}} ${below}`,
    );
  }
}

/**
 * `http_requests_total` and `http_request_duration_seconds`. Written out by hand: prom-client hashes the labels of
 * every observation; here a route keeps its own numbers.
 */
export class HttpMetrics {
  readonly #series = new Map<string, Series>();

  /** `route` is the pattern with braces, or `unmatched`. */
  series(method: string, route: string): Series {
    const key = `${method} ${route}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = new Series(method, route);
      this.#series.set(key, series);
    }
    return series;
  }

  text(): string {
    const totals = ["# HELP http_requests_total Requests", "# TYPE http_requests_total counter"];
    const durations = [
      "# HELP http_request_duration_seconds Time to the answer",
      "# TYPE http_request_duration_seconds histogram",
    ];
    for (const series of this.#series.values()) series.writeTo(totals, durations);
    return [...totals, ...durations, ""].join("\n");
  }
}
