export interface Clock {
  now(): Date;
}

export interface ClockSources {
  /** Milliseconds since 1970, as the operating system believes. */
  readonly wallMs?: () => number;
  /** Milliseconds that only ever rise. Tests that stop time pass `() => 0`. */
  readonly elapsedMs?: () => number;
  /** Called once for each time the system clock was set back by more than a second. */
  readonly onSetBack?: (byMs: number) => void;
}

const WORTH_TELLING_MS = 1_000;

/**
 * The program's time. It never goes back: what has expired stays expired when the system clock is set back. From
 * then on it runs at half speed until the system clock has caught up, so that it heals by itself and still moves.
 */
export function createClock({
  wallMs = Date.now,
  elapsedMs = () => performance.now(),
  onSetBack,
}: ClockSources = {}): Clock {
  let lastMs = wallMs();
  let lastElapsedMs = elapsedMs();
  let isBehind = false;
  return {
    now() {
      const wall = wallMs();
      const elapsed = elapsedMs();
      const slowMs = lastMs + (elapsed - lastElapsedMs) / 2;
      lastElapsedMs = elapsed;
      const wasBehind = isBehind;
      isBehind = wall < slowMs - WORTH_TELLING_MS;
      if (isBehind && !wasBehind) onSetBack?.(Math.round(lastMs - wall));
      lastMs = Math.max(wall, slowMs);
      return new Date(lastMs);
    },
  };
}
