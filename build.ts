/**
 * bun build.ts [--target all|linux-x64|…]: compiles the server into one file a target.
 * Without --target, dist/qeetid for this machine.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BunPlugin } from "bun";
import packageJson from "./package.json" with { type: "json" };

interface Target {
  readonly compile: Bun.Build.CompileTarget;
  /** Package of Bun's runtime, after `@oven/bun-`. */
  readonly runtime: string;
  /** Package of the argon2 addon, after `@node-rs/argon2-`. */
  readonly addon: string;
}

const TARGETS: Readonly<Record<string, Target>> = {
  "linux-x64": { compile: "bun-linux-x64", runtime: "linux-x64", addon: "linux-x64-gnu" },
  "linux-arm64": {
    compile: "bun-linux-arm64",
    runtime: "linux-aarch64",
    addon: "linux-arm64-gnu",
  },
  "linux-x64-musl": {
    compile: "bun-linux-x64-musl",
    runtime: "linux-x64-musl",
    addon: "linux-x64-musl",
  },
  "linux-arm64-musl": {
    compile: "bun-linux-arm64-musl",
    runtime: "linux-aarch64-musl",
    addon: "linux-arm64-musl",
  },
  "darwin-arm64": {
    compile: "bun-darwin-arm64",
    runtime: "darwin-aarch64",
    addon: "darwin-arm64",
  },
  "darwin-x64": { compile: "bun-darwin-x64", runtime: "darwin-x64", addon: "darwin-x64" },
  "windows-x64": {
    compile: "bun-windows-x64",
    runtime: "windows-x64",
    addon: "win32-x64-msvc",
  },
};

const root = import.meta.dir;
const tools = join(root, ".tools");
const dist = join(root, "dist");

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function run(words: readonly string[], cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...words], { cwd });
  if (exitCode !== 0) fail(`${words.join(" ")} failed:\n${stderr.toString()}`);
  return stdout.toString().trim();
}

/** The commit that is built; `+` marks changes on top of it. */
function commitOf(): string {
  const git = (...words: string[]) => Bun.spawnSync(["git", ...words], { cwd: root });
  const head = git("rev-parse", "--short=12", "HEAD");
  if (head.exitCode !== 0) return "unknown";
  const isClean = git("status", "--porcelain", "--untracked-files=no").stdout.length === 0;
  return `${head.stdout.toString().trim()}${isClean ? "" : "+"}`;
}

/** A file of a package of one platform, fetched through npm into .tools/ when it is not installed. */
function packageFile(name: string, version: string, find: (dir: string) => string | undefined) {
  // Bun's installer moves the runtime out of its package, so the file decides, not the directory.
  const installed = find(join(root, "node_modules", name));
  if (installed) return installed;
  const dir = join(tools, `${name.replaceAll("/", "-").replace("@", "")}-${version}`);
  fetchPackage(name, version, dir);
  return find(dir) ?? fail(`${name}@${version} does not hold what it should`);
}

function fetchPackage(name: string, version: string, dir: string): void {
  if (existsSync(dir)) return;
  const draft = `${dir}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  const archive = run(["npm", "pack", "--silent", `${name}@${version}`], draft);
  run(["tar", "xzf", archive, "--strip-components=1"], draft);
  renameSync(draft, dir);
}

const addonOf = ({ addon }: Target): string =>
  packageFile(`@node-rs/argon2-${addon}`, packageJson.dependencies["@node-rs/argon2"], (dir) =>
    fileIn(dir, `argon2.${addon}.node`),
  );

const runtimeOf = ({ runtime }: Target, suffix: string): string =>
  packageFile(`@oven/bun-${runtime}`, packageJson.devDependencies.bun, (dir) =>
    fileIn(dir, `bin/bun${suffix}`),
  );

const fileIn = (dir: string, name: string): string | undefined =>
  existsSync(join(dir, name)) ? join(dir, name) : undefined;

/** Gives the argon2 package the addon of the target, whatever is installed here; the others are not in the file. */
const addonPlugin = (target: Target, addonFile: string): BunPlugin => ({
  name: "argon2 addon",
  setup(build) {
    build.onResolve({ filter: /^@node-rs\/argon2-/ }, ({ path }) => {
      if (path === `@node-rs/argon2-${target.addon}`) return { path: addonFile };
      // It compares the versions of the two packages.
      if (path === `@node-rs/argon2-${target.addon}/package.json`)
        return { path: join(dirname(addonFile), "package.json") };
      return { path, namespace: "not-in-this-build" };
    });
    build.onLoad({ filter: /.*/, namespace: "not-in-this-build" }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not in this build`)});`,
      loader: "js",
    }));
  },
});

async function compile(name: string | undefined, commit: string): Promise<string> {
  const here = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}${isMusl() ? "-musl" : ""}`;
  const target = TARGETS[name ?? here] ?? fail(`no build for ${name ?? here}`);
  const suffix = target.compile.startsWith("bun-windows") ? ".exe" : "";
  const file = join(dist, `qeetid${name === undefined ? "" : `-${name}`}${suffix}`);
  const draft = join(dist, `.draft-${process.pid}${suffix}`);
  const addonFile = addonOf(target);
  const result = await Bun.build({
    entrypoints: [join(root, "src/main.ts")],
    compile: {
      outfile: draft,
      // A `preload` in somebody's bunfig.toml would run in our process.
      autoloadDotenv: false,
      autoloadBunfig: false,
      ...(name !== undefined && {
        target: target.compile,
        executablePath: runtimeOf(target, suffix),
      }),
    },
    // Shortened identifiers switch Elysia's number ranges off: it reads the source text of handlers.
    minify: { whitespace: true, syntax: true, identifiers: false },
    bytecode: true,
    format: "esm",
    target: "bun",
    define: {
      "process.env.NODE_ENV": '"production"',
      QEETID_VERSION: JSON.stringify(packageJson.version),
      QEETID_COMMIT: JSON.stringify(commit),
    },
    plugins: [addonPlugin(target, addonFile)],
  });
  if (!result.success) throw new AggregateError(result.logs);
  // A missing addon does not fail the build; the binary would die at its first password.
  const bytes = readFileSync(draft);
  if (!bytes.includes(readFileSync(addonFile))) fail(`the argon2 addon is not in ${file}`);
  renameSync(draft, file); // also over a binary that runs
  console.log(`${file.slice(root.length + 1)}  ${(bytes.length / 1e6).toFixed(1)} MB`);
  return file;
}

const isMusl = (): boolean =>
  process.platform === "linux" &&
  existsSync(`/lib/ld-musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`);

function writeSums(): void {
  const sums = readdirSync(dist)
    .filter((name) => /^qeetid(-[a-z0-9-]+)?(\.exe)?$/.test(name))
    .sort()
    .map((name) => {
      const hash = createHash("sha256").update(readFileSync(join(dist, name)));
      return `${hash.digest("hex")}  ${name}\n`;
    });
  writeFileSync(join(dist, "SHA256SUMS"), sums.join(""));
}

const { values } = parseArgs({ options: { target: { type: "string" } } });
const { target: wanted } = values;
if (wanted !== undefined && wanted !== "all" && !TARGETS[wanted])
  fail(`--target must be all or one of ${Object.keys(TARGETS).join(", ")}`);
mkdirSync(resolve(dist), { recursive: true });
const commit = commitOf();
for (const name of wanted === "all" ? Object.keys(TARGETS) : [wanted]) await compile(name, commit);
writeSums();
