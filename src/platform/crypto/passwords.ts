import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import type { Config } from "../../config.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";

/** Argon2id, off the main thread, behind a bounded queue. Each method may throw 503 with `Retry-After`. */
export interface PasswordHasher {
  /** A PHC string. */
  hash(password: string): Promise<string>;
  /** Argon2 or bcrypt. `null`, for an account that does not exist, takes as long as a real one and is false. */
  verify(hash: string | null, password: string): Promise<boolean>;
  /** Made by an older or a weaker rule than today's: to be replaced when the password is at hand. */
  needsRehash(hash: string): boolean;
  /** How many are being computed now. */
  readonly running: number;
  /** `addon`: @node-rs/argon2; `runtime`: Bun's own, where the addon can't be loaded. */
  readonly engine: "addon" | "runtime";
}

/** As many at a time as there are cores: the runtime's pool has no more threads (design §4). */
const MAX_RUNNING = availableParallelism();
const MAX_WAIT_MS = 1_000;
/** At some 10 ms of a core for each, more can't be done within the wait. */
const MAX_WAITING = 128 * MAX_RUNNING;

interface Engine {
  hash(password: string): Promise<string>;
  verify(hash: string, password: string): Promise<boolean>;
}

type Cost = Config["passwordHashing"];

/**
 * @see https://www.rfc-editor.org/rfc/rfc9106
 */
export async function createPasswordHasher(
  cost: Cost,
  options: { log?: Pick<Log, "warn">; loadAddon?: () => Promise<Argon2Addon> } = {},
): Promise<PasswordHasher> {
  const queue = new HashQueue();
  let engine: PasswordHasher["engine"] = "addon";
  let argon2: Engine;
  try {
    argon2 = addonEngine(await (options.loadAddon ?? loadAddon)(), cost);
  } catch {
    engine = "runtime";
    argon2 = runtimeEngine(cost);
    options.log?.warn(
      "the argon2 addon cannot be loaded; the runtime's own is used. BUN_TMPDIR must name a directory from which files may be executed",
    );
  }
  // Nobody knows a password for it: 32 random bytes are no hash of anything.
  const dummy = phc(cost, randomBytes(16), randomBytes(32));

  return {
    engine,
    get running() {
      return queue.running;
    },
    hash: (password) => queue.run(() => argon2.hash(password)),
    async verify(hash, password) {
      if (hash === null) {
        await queue.run(() => argon2.verify(dummy, password));
        return false;
      }
      return queue.run(() =>
        isBcrypt(hash) ? verifyBcrypt(hash, password) : argon2.verify(hash, password),
      );
    },
    needsRehash: (hash) => needsRehash(hash, cost),
  };
}

type Argon2Addon = typeof import("@node-rs/argon2");
const loadAddon = (): Promise<Argon2Addon> => import("@node-rs/argon2");

function addonEngine(addon: Argon2Addon, cost: Cost): Engine {
  const parameters = {
    algorithm: 2, // Argon2id; the package's enum is a `const enum`, erased at run time
    version: 1, // 0x13
    memoryCost: cost.memoryKib,
    timeCost: cost.iterations,
    parallelism: cost.parallelism,
    outputLen: 32,
  };
  return {
    hash: (password) => addon.hash(password, parameters),
    verify: (hash, password) => addon.verify(hash, password),
  };
}

const runtimeEngine = (cost: Cost): Engine => ({
  hash: (password) =>
    Bun.password.hash(password, {
      algorithm: "argon2id",
      memoryCost: cost.memoryKib,
      timeCost: cost.iterations,
    }),
  verify: (hash, password) => Bun.password.verify(password, hash),
});

const isBcrypt = (hash: string) => /^\$2[aby]\$/.test(hash);

/**
 * bcrypt reads 72 bytes; those who made the hash cut there. Bun hashes what is longer with SHA-512 first,
 * which no other implementation does, so it gets no more than 72.
 */
function verifyBcrypt(hash: string, password: string): Promise<boolean> {
  return Bun.password.verify(Buffer.from(password).subarray(0, 72), hash, "bcrypt");
}

function needsRehash(hash: string, cost: Cost): boolean {
  const match = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(hash);
  if (!match) return true;
  const [memory, iterations, parallelism] = match.slice(1).map(Number);
  return (
    memory! < cost.memoryKib || iterations! < cost.iterations || parallelism !== cost.parallelism
  );
}

const phc = (cost: Cost, salt: Uint8Array, hash: Uint8Array) => {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=${cost.memoryKib},t=${cost.iterations},p=${cost.parallelism}$${base64(salt)}$${base64(hash)}`;
};

/** First come, first served; refuses at once when full, and whoever has waited for a second. */
export class HashQueue {
  #running = 0;
  readonly #waiting = new Set<() => void>();

  constructor(
    private readonly maxRunning = MAX_RUNNING,
    private readonly maxWaiting = MAX_WAITING,
    private readonly maxWaitMs = MAX_WAIT_MS,
  ) {}

  get running(): number {
    return this.#running;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.maxRunning) this.#running += 1;
    else await this.#turn(); // the place is handed over, so `running` stays
    try {
      return await work();
    } finally {
      const [next] = this.#waiting;
      if (next) next();
      else this.#running -= 1;
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.size >= this.maxWaiting) return Promise.reject(overloaded());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(start);
        reject(overloaded());
      }, this.maxWaitMs);
      const start = () => {
        clearTimeout(timer);
        this.#waiting.delete(start);
        resolve();
      };
      this.#waiting.add(start);
    });
  }
}

const overloaded = () =>
  new AppError("service_unavailable", "too many sign-ins at once; try again in a moment", {
    headers: { "retry-after": "1" },
  });
