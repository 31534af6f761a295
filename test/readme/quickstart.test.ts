// The README's quickstart, as a newcomer pastes it: line by line into a shell, against a server of its own.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningProgram, startProgram } from "../support/program.ts";

const readme = readFileSync(join(import.meta.dir, "../../README.md"), "utf8");
const [, afterMarker = ""] = readme.split("<!-- quickstart");
const blocks = [...afterMarker.split("\n## ")[0]!.matchAll(/```sh\n([\s\S]*?)```/g)].map(
  (match) => match[1]!,
);

let server: RunningProgram;
const dir = mkdtempSync(join(tmpdir(), "quickstart-"));

beforeAll(async () => {
  server = await startProgram();
});
afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

test("the quickstart works, pasted line by line", async () => {
  expect(blocks.length).toBeGreaterThanOrEqual(6);
  const script = blocks.join("\n").replaceAll("http://localhost:4000", server.base);
  const shell = Bun.spawn(["bash", "-s"], {
    cwd: dir,
    stdin: new Blob([script]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, complaints] = await Promise.all([
    new Response(shell.stdout).text(),
    new Response(shell.stderr).text(),
    shell.exited,
  ]);
  expect(complaints).toBe("");
  expect(out).toContain('"actor":"user"');
  expect(out).toContain('"email":"ada@example.com"');
  expect(out).toContain('{"allowed":true}');
  expect(out.match(/"email":"ada@example.com"/g)!.length).toBeGreaterThanOrEqual(2);
  expect(out).toContain("/v1/oauth/authorize?response_type=code&client_id=qci_");
  expect(out).toMatch(/\nvalid \{|\}valid \{|^valid \{/m);
});
