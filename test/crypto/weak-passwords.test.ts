import { expect, test } from "bun:test";
import fc from "fast-check";
import { assertAcceptablePassword, weaknessOf } from "../../src/platform/crypto/weak-passwords.ts";
import { AppError } from "../../src/platform/errors.ts";

const EMAIL = "Grace.Hopper@Navy.example.mil";

function refusal(password: string, options: object = {}): AppError | undefined {
  try {
    assertAcceptablePassword(password, { email: EMAIL, ...options });
    return undefined;
  } catch (error) {
    return error as AppError;
  }
}

test.each<[string, string]>([
  ["a passphrase", "six blue herons"],
  ["random letters", "vkqjxwzp"],
  ["random signs", "T7#kq!w2Zp"],
  ["a common word inside a longer one", "dragonfly-orbit"],
  ["two common words", "monkey teapot"],
  ["8 code points, not bytes", "пароль🙂🙂"],
  ["256 code points", "ab😀c".repeat(64)],
  ["a word that is common in no list, with digits", "zarquon42x"],
  ["part of the address", "navy.example.mil"],
  ["a short run inside", "abcxkwvq"],
])("accepted: %s", (_, password) => {
  expect(refusal(password)).toBeUndefined();
});

test.each<[string, string, string]>([
  ["7 code points", "vkqjxwz", "too_short"],
  ["empty", "", "too_short"],
  ["7 code points of 14 UTF-16 units", "😀😁😂😃😄😅😆", "too_short"],
  ["257 code points", `${"ab😀c".repeat(64)}d`, "too_long"],
  ["one repeated character", "aaaaaaaa", "not_allowed"],
  ["one repeated sign", "!!!!!!!!!!", "not_allowed"],
  ["one repeated emoji", "😀".repeat(8), "not_allowed"],
  ["alphabet", "abcdefgh", "not_allowed"],
  ["alphabet backwards", "zyxwvutsr", "not_allowed"],
  ["digits", "12345678", "not_allowed"],
  ["digits backwards", "87654321", "not_allowed"],
  ["digits through zero", "4567890123", "not_allowed"],
  ["keyboard row", "qwertyui", "not_allowed"],
  ["keyboard row backwards, capitals", "POIUYTREW", "not_allowed"],
  ["keyboard columns", "1qaz2wsx3edc", "not_allowed"],
  ["two runs", "abcdef123456", "not_allowed"],
  ["German keyboard", "qwertzuiop", "not_allowed"],
  ["French keyboard", "azertyuiop", "not_allowed"],
  ["the e-mail address", "grace.hopper@navy.example.mil", "not_allowed"],
  ["its local part, other case", "GRACE.HOPPER", "not_allowed"],
  ["the commonest", "password", "not_allowed"],
  ["in capitals", "PASSWORD", "not_allowed"],
  ["with digits", "password123", "not_allowed"],
  ["with digits and a sign", "Password2024!", "not_allowed"],
  ["digits first", "2024dragon", "not_allowed"],
  ["lookalikes", "p@ssw0rd", "not_allowed"],
  ["lookalikes and digits", "P@$$w0rd99", "not_allowed"],
  ["twice", "monkeymonkey", "not_allowed"],
  ["further down the list", "iloveyou2", "not_allowed"],
  ["further down the list, exact", "trustno1", "not_allowed"],
  ["sunshine", "sunshine!!", "not_allowed"],
])("refused: %s", (_, password, code) => {
  const error = refusal(password);
  expect(error).toBeInstanceOf(AppError);
  expect(error?.status).toBe(422);
  expect(error?.fields).toMatchObject([{ field: "password", code }]);
  expect(error?.detail).toBe(error?.fields?.[0]?.message as string); // detail names the first unmet rule
});

test("names the field that the route has", () => {
  expect(refusal("password", { field: "new_password" })?.fields?.[0]?.field).toBe("new_password");
});

test("without an address no address is compared", () => {
  expect(refusal("grace.hopper", { email: null })).toBeUndefined();
});

test("rules of the tenant come last, in order", () => {
  const rules = [
    (password: string) => (/\d/.test(password) ? undefined : "password needs a digit"),
    (password: string) => (/[A-Z]/.test(password) ? undefined : "password needs a capital"),
  ];
  expect(refusal("password", { rules })?.detail).toBe("password is too common");
  expect(refusal("six blue herons", { rules })?.detail).toBe("password needs a digit");
  expect(refusal("6 blue herons", { rules })?.detail).toBe("password needs a capital");
  expect(refusal("6 Blue herons", { rules })).toBeUndefined();
});

test("never throws anything else, and is quick, whatever is sent", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (password) => {
      const error = refusal(password);
      expect(error === undefined || error instanceof AppError).toBe(true);
    }),
    { numRuns: 500 },
  );
  weaknessOf("warm", null);
  for (const hostile of [
    "ab".repeat(128),
    "a1".repeat(128),
    `${"1".repeat(255)}x`,
    "!@#$".repeat(64),
    "abc".repeat(85),
  ]) {
    const start = performance.now();
    refusal(hostile);
    expect(performance.now() - start).toBeLessThan(100);
  }
});
