import { afterEach, expect, test } from "bun:test";
import { asc, eq, gt } from "drizzle-orm";
import type { Db } from "../../db/client.ts";
import { mailMessages } from "../../db/schema/mail.ts";
import type { Deps } from "../../src/deps.ts";
import { rekeyJob } from "../../src/platform/crypto/rekey.ts";
import { keyIdOf } from "../../src/platform/crypto/root-key.ts";
import { createSealer, keysInMemory, sealedUnder } from "../../src/platform/crypto/sealing.ts";
import { createRandom } from "../../src/platform/random.ts";
import type { SubjectTable } from "../../src/platform/subject-data.ts";
import { closeDbs, openDb, START } from "./support.ts";

afterEach(closeDbs);

const OLD = new Uint8Array(32).fill(1);
const NEW = new Uint8Array(32).fill(2);
const TENANT = "0190f3a1-7c00-7abc-8def-0123456789ab";
const ROWS = 25;
const clock = { now: () => START };
const { uuid } = createRandom(clock);

/** As a module declares it: batches of ten. */
function mailTable(onBatch: () => void = () => {}): SubjectTable {
  return {
    table: "mail_messages",
    purge: "none",
    erase: "none",
    async rekey(tx, reseal, after) {
      onBatch();
      const page = tx.select().from(mailMessages).orderBy(asc(mailMessages.id)).limit(10);
      const rows = await (after === undefined ? page : page.where(gt(mailMessages.id, after)));
      for (const { id, tenantId, contentSealed } of rows)
        await tx
          .update(mailMessages)
          .set({ contentSealed: await reseal(contentSealed!, { tenantId, label: "mail", id }) })
          .where(eq(mailMessages.id, id));
      return rows.length < 10 ? undefined : rows.at(-1)!.id;
    },
  };
}

async function seed(db: Db) {
  const sealer = createSealer(keysInMemory(OLD, []));
  await db.transaction(async (tx) => {
    for (let i = 0; i < ROWS; i += 1) {
      const id = uuid();
      const tenantId = i % 2 ? TENANT : null;
      await tx.insert(mailMessages).values({
        ...{ id, tenantId, channel: "email", template: "x", recipient: "a@b.c", createdAt: START },
        contentSealed: await sealer.seal(`body ${i}`, { tenantId, label: "mail", id }),
      });
    }
  });
}

const depsOf = (db: Db, table: SubjectTable) =>
  ({
    db,
    clock,
    sealer: createSealer(keysInMemory(NEW, [OLD])),
    subjectData: [table],
  }) as unknown as Deps; // the job asks for no more

async function keysInUse(db: Db) {
  const rows = await db.read.select().from(mailMessages);
  return rows.map((row) => sealedUnder(row.contentSealed!));
}

test("08 §6: after a change of key everything is sealed under the new one, which alone then opens it", async () => {
  const db = await openDb();
  await seed(db);
  let batches = 0;
  const deps = depsOf(
    db,
    mailTable(() => {
      batches += 1;
    }),
  );
  await rekeyJob.run(deps, new AbortController().signal);
  expect(await keysInUse(db)).toEqual(Array(ROWS).fill(keyIdOf(NEW)));
  expect(batches).toBe(3);

  const alone = createSealer(keysInMemory(NEW, []));
  const rows = await db.read.select().from(mailMessages).orderBy(asc(mailMessages.id));
  for (const [i, { id, tenantId, contentSealed }] of rows.entries()) {
    const plain = await alone.open(contentSealed!, { tenantId, label: "mail", id });
    expect(new TextDecoder().decode(plain)).toBe(`body ${i}`);
  }

  await rekeyJob.run(deps, new AbortController().signal);
  expect(batches).toBe(3); // nothing to do, and it knows without looking
});

test("stopped half-way, it goes on the next time", async () => {
  const db = await openDb();
  await seed(db);
  const stopping = new AbortController();
  const table = mailTable(() => stopping.abort());
  await rekeyJob.run(depsOf(db, table), stopping.signal);
  expect((await keysInUse(db)).filter((id) => id === keyIdOf(NEW)).length).toBe(10);
  await rekeyJob.run(depsOf(db, mailTable()), new AbortController().signal);
  expect(await keysInUse(db)).toEqual(Array(ROWS).fill(keyIdOf(NEW)));
});

test("a row that does not open stops the job and stays as it is", async () => {
  const db = await openDb();
  await seed(db);
  const [first] = await db.read.select().from(mailMessages).orderBy(asc(mailMessages.id)).limit(1);
  await db.transaction(async (tx) => {
    await tx
      .update(mailMessages)
      .set({ tenantId: TENANT }) // was the platform's
      .where(eq(mailMessages.id, first!.id));
  });
  const deps = depsOf(db, mailTable());
  await expect(rekeyJob.run(deps, new AbortController().signal)).rejects.toThrow("does not open");
  expect(await keysInUse(db)).toEqual(Array(ROWS).fill(keyIdOf(OLD)));
});
