import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { mailMessages } from "../../db/schema/index.ts";
import type { Config } from "../../src/config.ts";
import { mailJob } from "../../src/platform/mail/sender.ts";
import { listMessages, type NewMessage, queueMail } from "../../src/platform/mail/service.ts";
import { type AuditWorld, auditWorld } from "../audit/support.ts";

const fixture = (name: string) => new URL(`./fixtures/${name}`, import.meta.url).pathname;
const tls = { key: readFileSync(fixture("server.key")), cert: readFileSync(fixture("server.pem")) };
const never = new AbortController().signal;

interface Received {
  from: string;
  to: string[];
  user: string | undefined;
  secure: boolean;
  text: string;
}

/** A real mail server on loopback that keeps what it is given. */
async function startSmtp(options: SMTPServerOptions = {}, port = 0) {
  const received: Received[] = [];
  const server = new SMTPServer({
    authOptional: true,
    onAuth(auth, _session, done) {
      const isRight = auth.username === "mailer" && auth.password === "s3cret";
      done(isRight ? null : new Error("no"), { user: auth.username });
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom ? mailFrom.address : "",
          to: rcptTo.map(({ address }) => address),
          user: session.user as string | undefined,
          secure: session.secure,
          text: Buffer.concat(chunks).toString(),
        });
        done();
      });
    },
    ...options,
  });
  server.on("error", () => {}); // a client that refuses our certificate hangs up
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  const { port: bound } = server.server.address() as AddressInfo;
  opened.push(() => new Promise<void>((done) => server.close(() => done())));
  return {
    received,
    port: bound,
    stop: () => new Promise<void>((done) => server.close(() => done())),
  };
}

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function worldOf(overrides: Partial<Config> = {}): Promise<AuditWorld> {
  const world = await auditWorld(overrides);
  opened.push(() => world.db.close());
  return world;
}

const smtpOf = (port: number, more: Partial<NonNullable<Config["smtp"]>> = {}) => ({
  smtp: {
    host: "127.0.0.1",
    port,
    username: null,
    password: null,
    from: "Qeet ID <id@example.org>",
    tls: "none" as const,
    ...more,
  },
});

const RESET = "https://id.example.org/reset?token=abc&x=<1>";
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

describe("SMTP", () => {
  test("a message arrives once: UTF-8, Date, Message-ID, Auto-Submitted, text and HTML, envelope of SMTP_FROM", async () => {
    const server = await startSmtp({ disabledCommands: ["STARTTLS"] });
    const world = await worldOf(smtpOf(server.port, { from: '"Qeet, Åse" <id@example.org>' }));
    await queue(world);
    expect((await rows(world))[0]!.status).toBe("queued");
    await mailJob.run(world.deps, never);
    await mailJob.run(world.deps, never);
    expect(server.received).toHaveLength(1);
    const [{ from, to, text }] = server.received as [Received];
    expect([from, to]).toEqual(["id@example.org", ["ann@example.com"]]);
    const [row] = await rows(world);
    expect(text).toContain(`Message-ID: <${row!.id}@example.org>`);
    expect(text).toContain("Date: Fri, 02 Jan 2026 03:04:05 +0000");
    expect(text).toContain("Auto-Submitted: auto-generated");
    expect(text).toContain("From: =?UTF-8?");
    expect(text).toContain("multipart/alternative");
    expect(text).toContain("https://id.example.org/reset?token=3Dabc");
    expect(row).toMatchObject({ status: "sent", attempts: 1, dueAt: null, leaseUntil: null });
  });

  test("an address with a comma is one recipient", async () => {
    const server = await startSmtp({ disabledCommands: ["STARTTLS"] });
    const world = await worldOf(smtpOf(server.port));
    await queue(world, { to: '"a,b"@example.com' });
    await mailJob.run(world.deps, never);
    expect(server.received.map(({ to }) => to.length)).toEqual([1]);
  });

  test("RFC 3207: in production a server without STARTTLS gets nothing", async () => {
    const server = await startSmtp({ disabledCommands: ["STARTTLS"] });
    const production = { env: "production" as const, ...smtpOf(server.port, { tls: "starttls" }) };
    const world = await worldOf(production);
    await queue(world);
    await mailJob.run(world.deps, never);
    expect(server.received).toEqual([]);
    expect((await rows(world))[0]).toMatchObject({ status: "queued", attempts: 1 });
    expect((await rows(world))[0]!.lastError).toContain("ETLS");
  });

  test.each(["starttls", "implicit"] as const)(
    "%s: a certificate of an unknown authority is refused before the password is sent",
    async (mode) => {
      let attempts = 0;
      const server = await startSmtp({
        ...tls,
        secure: mode === "implicit",
        onAuth: (_auth, _session, done) => {
          attempts += 1;
          done(null, { user: "x" });
        },
      });
      const account = { username: "mailer", password: "s3cret" };
      const world = await worldOf({
        env: "production",
        ...smtpOf(server.port, { tls: mode, host: "localhost", ...account }),
      });
      await queue(world);
      await mailJob.run(world.deps, never);
      expect([server.received.length, attempts]).toEqual([0, 0]);
      expect((await rows(world))[0]!.lastError).toContain("ESOCKET");
    },
  );

  test("STARTTLS and a login, under an authority that the operator trusts", async () => {
    const server = await startSmtp({ ...tls, authOptional: false });
    const child = Bun.spawn({
      cmd: [
        process.execPath,
        new URL("../support/send-mail-once.ts", import.meta.url).pathname,
        String(server.port),
      ],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: fixture("ca.pem") },
      stderr: "pipe",
    });
    const [code, problems] = [await child.exited, await new Response(child.stderr).text()];
    expect([code, problems]).toEqual([0, ""]);
    expect(server.received).toMatchObject([{ user: "mailer", secure: true }]);
  }, 20_000);

  test("a wrong password is retried, and only its code is stored", async () => {
    const server = await startSmtp({ disabledCommands: ["STARTTLS"], allowInsecureAuth: true });
    const world = await worldOf(smtpOf(server.port, { username: "mailer", password: "wrong" }));
    await queue(world);
    await mailJob.run(world.deps, never);
    expect((await rows(world))[0]!.lastError).toMatch(/EAUTH 535$/);
  });

  test("a server that is down: tried after 5, 20, 80 and 320 seconds, then given up; content gone in production", async () => {
    const { port, stop } = await startSmtp();
    opened.pop();
    await stop();
    const world = await worldOf({ env: "production", ...smtpOf(port) });
    await queue(world);
    for (const seconds of [5, 20, 80, 320]) {
      await mailJob.run(world.deps, never);
      const [row] = await rows(world);
      expect(row!.dueAt!.getTime() - world.deps.clock.now().getTime()).toBe(seconds * 1000);
      expect(row!.contentSealed).not.toBeNull();
      world.advance(seconds * 1000 - 1);
      await mailJob.run(world.deps, never); // not yet
      expect((await rows(world))[0]!.attempts).toBe(row!.attempts);
      world.advance(1);
    }
    await mailJob.run(world.deps, never);
    expect((await rows(world))[0]).toMatchObject({
      status: "failed",
      attempts: 5,
      dueAt: null,
      contentSealed: null,
      finishedAt: world.deps.clock.now(),
    });
    expect(world.logged.at(-1)).toMatchObject({ level: "error", message: "message given up" });
    expect(JSON.stringify(world.logged)).not.toContain("ann@");
  });

  test("down, then back: the message is sent", async () => {
    const { port, stop } = await startSmtp({ disabledCommands: ["STARTTLS"] });
    opened.pop();
    await stop();
    const world = await worldOf(smtpOf(port));
    await queue(world);
    await mailJob.run(world.deps, never);
    const server = await startSmtp({ disabledCommands: ["STARTTLS"] }, port);
    world.advance(5_000);
    await mailJob.run(world.deps, never);
    expect(server.received).toHaveLength(1);
    expect((await rows(world))[0]).toMatchObject({ status: "sent", attempts: 2, lastError: null });
  });

  test("two senders at once: each of 30 messages goes out once", async () => {
    const server = await startSmtp({ disabledCommands: ["STARTTLS"] });
    const world = await worldOf(smtpOf(server.port));
    for (let n = 0; n < 30; n += 1) await queue(world, { to: `user${n}@example.com` });
    await Promise.all([mailJob.run(world.deps, never), mailJob.run(world.deps, never)]);
    await mailJob.run(world.deps, never);
    expect(server.received.map(({ to }) => to[0]!).toSorted()).toEqual(
      Array.from({ length: 30 }, (_, n) => `user${n}@example.com`).toSorted(),
    );
  });

  test("one refused recipient does not hold up the others", async () => {
    const server = await startSmtp({
      disabledCommands: ["STARTTLS"],
      onRcptTo: ({ address }, _session, done) =>
        done(
          address.startsWith("no@") ? Object.assign(new Error("no"), { responseCode: 550 }) : null,
        ),
    });
    const world = await worldOf(smtpOf(server.port));
    await queue(world, { to: "no@example.com" });
    await queue(world, { to: "yes@example.com" });
    await mailJob.run(world.deps, never);
    expect(server.received.map(({ to }) => to[0])).toEqual(["yes@example.com"]);
    const refused = (await rows(world)).find(({ recipient }) => recipient === "no@example.com");
    expect(refused).toMatchObject({ status: "queued", attempts: 1 });
    expect(refused!.lastError).toMatch(/ 550$/);
  });
});

describe("without a mail server", () => {
  test("production: channel and masked recipient in the log, no link, content gone", async () => {
    const world = await worldOf({ env: "production" });
    await queue(world);
    await queue(world, {
      template: "sms_code",
      channel: "sms",
      to: "+4915123456789",
      variables: { code: "123456", ttl: "10 minutes" },
    });
    await mailJob.run(world.deps, never);
    const text = JSON.stringify(world.logged);
    expect(text).toContain('"channel":"email"');
    expect(text).toContain("a***@example.com");
    expect(text).toContain("***6789");
    for (const secret of ["ann@", "token=", "123456", "+4915"]) expect(text).not.toContain(secret);
    expect((await rows(world)).map(({ status, contentSealed }) => [status, contentSealed])).toEqual(
      [
        ["sent", null],
        ["sent", null],
      ],
    );
  });

  test("dev: the log points to the mailbox, the content stays", async () => {
    const world = await worldOf();
    await queue(world);
    await mailJob.run(world.deps, never);
    expect(JSON.stringify(world.logged)).toContain("http://localhost:4000/dev/mailbox");
    expect(JSON.stringify(world.logged)).not.toContain("token=");
    expect((await listMessages(world.deps, 5))[0]!.content!.text).toContain(RESET);
  });
});

describe("SMS", () => {
  const start = (status: number) => {
    const seen: { path: string; authorization: string | null; form: Record<string, string> }[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        const form = Object.fromEntries(new URLSearchParams(await request.text()));
        const { pathname: path } = new URL(request.url);
        seen.push({ path, authorization: request.headers.get("authorization"), form });
        return Response.json({}, { status });
      },
    });
    opened.push(async () => void (await server.stop(true)));
    const baseUrl = `http://127.0.0.1:${server.port}`;
    return { seen, twilio: { accountSid: "AC1", authToken: "t0ken", from: "+15550001", baseUrl } };
  };
  const code = {
    template: "sms_code",
    channel: "sms",
    to: "+4915123456789",
    variables: { code: "123456", ttl: "10 minutes" },
  } as const;

  test("01 §17: Twilio's call, form and Basic credentials", async () => {
    const { seen, twilio } = start(201);
    const world = await worldOf({ twilio });
    await queue(world, code);
    await mailJob.run(world.deps, never);
    expect(seen).toEqual([
      {
        path: "/2010-04-01/Accounts/AC1/Messages.json",
        authorization: `Basic ${btoa("AC1:t0ken")}`,
        form: {
          To: "+4915123456789",
          From: "+15550001",
          Body: "123456 is your code for qeet-identity. It is good for 10 minutes.",
        },
      },
    ]);
    expect((await rows(world))[0]!.status).toBe("sent");
  });

  test("an answer of 300 or more is a failure", async () => {
    const { twilio } = start(302);
    const world = await worldOf({ twilio });
    await queue(world, code);
    await mailJob.run(world.deps, never);
    expect((await rows(world))[0]).toMatchObject({ status: "queued", lastError: "HTTP 302" });
  });
});
