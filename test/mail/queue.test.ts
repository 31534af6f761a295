import { afterEach, describe, expect, test } from "bun:test";
import { mailMessages } from "../../db/schema/index.ts";
import { janitorJob } from "../../src/modules/outbox/janitor.ts";
import { createSealer, keysInMemory, sealedUnder } from "../../src/platform/crypto/sealing.ts";
import { mailJob } from "../../src/platform/mail/sender.ts";
import {
  listMessages,
  mailSubjectData,
  type NewMessage,
  queueMail,
} from "../../src/platform/mail/service.ts";
import { type AuditWorld, auditWorld } from "../audit/support.ts";

const never = new AbortController().signal;
const opened: AuditWorld[] = [];
afterEach(async () => {
  for (const world of opened.splice(0)) await world.db.close();
});

async function worldOf(): Promise<AuditWorld> {
  const world = await auditWorld();
  opened.push(world);
  return world;
}

const RESET = "https://id.example.org/reset?token=abc";
const queue = (world: AuditWorld, message: Partial<NewMessage> = {}) =>
  world.db.transaction((tx) =>
    queueMail(world.deps, tx, {
      template: "password_reset",
      to: "ann@example.com",
      variables: { reset_url: RESET },
      ...message,
    } as NewMessage),
  );
const rows = (world: AuditWorld) => world.db.read.select().from(mailMessages);

describe("queue", () => {
  test.each(["a@b.example\r\nRCPT TO:<x@y>", "a\nb@c.example", "", "a\0@b.example"])(
    "refuses the recipient %p",
    async (to) => {
      const world = await worldOf();
      await expect(queue(world, { to })).rejects.toThrow(TypeError);
      expect(await rows(world)).toEqual([]);
    },
  );

  test("a rolled-back transaction sends nothing", async () => {
    const world = await worldOf();
    const failed = world.db.transaction(async (tx) => {
      await queueMail(world.deps, tx, {
        template: "password_changed",
        to: "a@example.com",
        variables: {},
      });
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    expect(await rows(world)).toEqual([]);
  });

  test("at rest the content is sealed: neither link nor code is in the row", async () => {
    const world = await worldOf();
    await queue(world);
    const [row] = await rows(world);
    expect(Buffer.from(row!.contentSealed!).toString("latin1")).not.toContain("token=abc");
    expect((await listMessages(world.deps, 1))[0]!.content!.text).toContain(RESET);
  });

  test("re-keying seals what waits under the current key", async () => {
    const world = await worldOf();
    await queue(world);
    await queue(world);
    const [old, fresh] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(8)];
    const sealer = createSealer(keysInMemory(fresh, [old]));
    const before = (await rows(world)).map(({ contentSealed }) => sealedUnder(contentSealed!));
    const { rekey } = mailSubjectData[0]!;
    const last = await world.db.transaction((tx) => rekey!(tx, sealer.reseal, undefined));
    expect(await world.db.transaction((tx) => rekey!(tx, sealer.reseal, last))).toBeUndefined();
    const after = (await rows(world)).map(({ contentSealed }) => sealedUnder(contentSealed!));
    expect(after[0]).toBe(after[1]!);
    expect(after[0]).not.toBe(before[0]!);
    const [message] = await listMessages({ db: world.db, sealer }, 1);
    expect(message!.content!.text).toContain(RESET);
  });

  test("01 §18: the janitor removes messages 30 days after they were sent", async () => {
    const world = await worldOf();
    await queue(world);
    await mailJob.run(world.deps, never);
    await queue(world);
    world.advance(30 * 86_400_000 + 1);
    await janitorJob.run(world.deps, never);
    expect((await rows(world)).map(({ status }) => status)).toEqual(["queued"]);
  });
});
