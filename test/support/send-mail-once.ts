// Sends one message with the transport of production, in a process whose NODE_EXTRA_CA_CERTS the test chose.
import type { Message } from "../../src/platform/mail/service.ts";
import { openTransport } from "../../src/platform/mail/transport.ts";

const [port] = process.argv.slice(2);
const smtp = { host: "localhost", port: Number(port), username: "mailer", password: "s3cret" };
const config = {
  env: "production",
  smtp: { ...smtp, from: "Id <id@example.org>", tls: "starttls" },
};
const transport = openTransport({ config, clock: { now: () => new Date(0) } } as never, "email");
const content = { subject: "Hello", text: "text", html: "<p>text</p>" };
await transport.send({ id: "1", recipient: "a@example.com", content } as Message);
transport.close();
