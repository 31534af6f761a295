/** What the sign-in page does with more methods than one, or none; and what follows when a second factor is missing. */
import { describe, expect, test } from "bun:test";
import { renderToStaticMarkup } from "react-dom/server";
import { SIGN_IN_METHODS, type SignInMethod } from "../../src/modules/pages/sign-in/methods.tsx";
import { factorPage, signInPage } from "../../src/modules/pages/sign-in/views.tsx";
import { LANGUAGES } from "../../src/platform/pages/language.ts";

const other: SignInMethod = {
  name: "other",
  isAvailable: async () => true,
  render: ({ carried }) => <a href={`/other?to=${carried.return_to}`}>Another way</a>,
};

const pageWith = (methods: readonly SignInMethod[], language: "en" | "de" = "en") =>
  renderToStaticMarkup(
    signInPage({
      language,
      methods,
      purpose: { kind: "client", name: "Engine Notes" },
      csrfToken: "token",
      carried: { return_to: "somewhere" },
      email: undefined,
      emailFault: undefined,
      passwordFault: undefined,
      offersSignUp: false,
      offersChoice: false,
    }).body,
  );

describe("methods of the sign-in page", () => {
  test("one stands alone, two are set off by a line, none is said", () => {
    expect(pageWith(SIGN_IN_METHODS)).not.toContain('class="or"');
    const both = pageWith([...SIGN_IN_METHODS, other]);
    expect(both.match(/class="or"/g)).toHaveLength(1);
    expect(both).toContain('href="/other?to=somewhere"');
    const none = pageWith([]);
    expect(none).toContain("There is no way to sign in here");
    expect(none).not.toContain("password");
  });

  test("the password is there for every tenant, and for none", async () => {
    const [password] = SIGN_IN_METHODS;
    expect(await password!.isAvailable({} as never, null)).toBe(true);
  });
});

test.each(LANGUAGES)(
  "%s: a missing second factor is said, with a way to another account",
  (language) => {
    const { status, body } = factorPage(language, "/login?another=1");
    expect(status).toBe(403);
    expect(renderToStaticMarkup(body)).toContain('href="/login?another=1"');
  },
);
