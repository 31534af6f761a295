import { describe, expect, test } from "bun:test";
import { inWords, render } from "../../src/platform/mail/templates.ts";

const email = { serviceName: "Acme <Id>", channel: "email" } as const;

describe("templates", () => {
  test.each([
    [
      "verify_email",
      { code: "123456", ttl: "10 minutes", verify_url: "https://x/verify?id=1&code=2" },
    ],
    ["password_reset", { reset_url: "https://x/reset?token=t" }],
    ["magic_link", { magic_url: "https://x/magic?token=t" }],
    ["email_change", { code: "654321", ttl: "10 minutes" }],
    ["password_changed", {}],
    ["signup_attempt", {}],
    ["security_alert", { what: "Somebody used an old session." }],
  ] as const)("%s: subject on one line, every variable in text and HTML", (key, variables) => {
    const { subject, text, html } = render(key, variables as never, email);
    expect(subject).not.toBe("");
    expect(subject).not.toMatch(/[\r\n]/);
    for (const value of Object.values(variables)) {
      expect(text).toContain(value);
      expect(html).toContain(value.replaceAll("&", "&amp;"));
    }
    for (const value of Object.values(variables).filter((one) => one.startsWith("https:")))
      expect(html).toContain(`href="${value.replaceAll("&", "&amp;")}"`);
    expect(html).not.toContain("<Id>");
    expect(html).not.toMatch(/<img|<script|src=/);
  });

  test("a variable is data: HTML in it is escaped, a javascript: link is no link", () => {
    const what = "<script>alert(1)</script>\"&'{{code}}";
    expect(render("security_alert", { what }, email).html).not.toContain("<script>");
    const { html } = render("magic_link", { magic_url: 'https://x/"><b>' }, email);
    expect(html).not.toContain('"><b>');
  });

  test("a service name with a line break does not begin another header", () => {
    const { subject } = render("password_changed", {}, { ...email, serviceName: "A\r\nBcc: x@y" });
    expect(subject).toBe("Your A Bcc: x@y password was changed");
  });

  test("a text message has no HTML", () => {
    const sms = { ...email, channel: "sms" } as const;
    expect(render("sms_code", { code: "123456", ttl: "10 minutes" }, sms)).toEqual({
      subject: "",
      text: "123456 is your code for Acme <Id>. It is good for 10 minutes.",
      html: null,
    });
  });
});

test.each([
  [1, "1 second"],
  [59, "59 seconds"],
  [60, "1 minute"],
  [600, "10 minutes"],
  [3_600, "1 hour"],
  [86_400, "24 hours"],
  [172_800, "2 days"],
])("%i seconds are %s", (seconds, words) => expect(inWords(seconds)).toBe(words));
