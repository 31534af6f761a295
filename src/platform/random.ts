import { randomBytes } from "node:crypto";
import type { Clock } from "./clock.ts";

export interface Random {
  bytes(length: number): Uint8Array;
  uuid(): string;
}

/** A UUID that tells nothing, of version 4: for names of things that outsiders see and no row sorts by. */
export function uuid4({ bytes }: Pick<Random, "bytes">): string {
  const random = Buffer.from(bytes(16));
  random[6] = (random[6]! & 0x0f) | 0x40;
  random[8] = (random[8]! & 0x3f) | 0x80;
  return random.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * Cryptographically secure randomness. `uuid` is version 7 of the clock's time; within one process each is greater
 * than the one before it, also within a millisecond, so that rows sort as they were made.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.7
 */
export function createRandom(
  clock: Clock,
  bytes: (length: number) => Uint8Array = randomBytes,
): Random {
  let lastMs = 0;
  let counter = 0;
  return {
    bytes,
    uuid() {
      const random = Buffer.from(bytes(10));
      const nowMs = Math.floor(clock.now().getTime());
      // RFC 9562 §6.2 method 1: rand_a counts within a millisecond, from a random start with room above it;
      // when the room is used up, the time runs ahead.
      if (nowMs > lastMs) {
        lastMs = nowMs;
        counter = random.readUInt16BE(0) & 0x7ff;
      } else if (counter < 0xfff) {
        counter += 1;
      } else {
        lastMs += 1;
        counter = random.readUInt16BE(0) & 0x7ff;
      }
      const time = lastMs.toString(16).padStart(12, "0");
      const tail = random.toString("hex", 2, 10);
      const variant = ((random[2]! & 0x3f) | 0x80).toString(16);
      return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, "0")}-${variant}${tail.slice(2, 4)}-${tail.slice(4)}`;
    },
  };
}
