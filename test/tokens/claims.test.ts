/** OpenID Connect Core §5, contract 03 §10: claims about a person. */
import { describe, expect, test } from "bun:test";
import { acrOf, sidOf, USER_CLAIMS, userClaims } from "../../src/modules/tokens/service.ts";
import { createDerivedKeys } from "../../src/platform/crypto/derived-keys.ts";
import { STANDARD_CLAIMS } from "../support/provider.ts";

const ada = {
  displayName: "Ada Lovelace",
  email: "ada@example.com",
  emailVerifiedAt: null,
  phone: "+493012345678",
  phoneVerifiedAt: new Date(0),
  metadata: { standard_claims: STANDARD_CLAIMS },
  updatedAt: new Date("2026-01-01T00:00:00.999Z"),
};
const nobody = {
  ...ada,
  displayName: null,
  phone: null,
  phoneVerifiedAt: null,
  metadata: {},
};
const ALL = ["openid", "profile", "email", "phone", "address", "offline_access"];

describe("userClaims", () => {
  test("every claim of every scope", () => {
    expect(userClaims(ada, { scopes: ALL })).toEqual({
      ...STANDARD_CLAIMS,
      name: "Ada Lovelace",
      updated_at: 1_767_225_600,
      email: "ada@example.com",
      email_verified: false,
      phone_number: "+493012345678",
      phone_number_verified: true,
    });
    expect(Object.keys(userClaims(ada, { scopes: ALL })).sort()).toEqual([...USER_CLAIMS].sort());
  });

  test("absent values are left out, never null or empty", () => {
    expect(userClaims(nobody, { scopes: ALL })).toEqual({
      updated_at: 1_767_225_600,
      email: "ada@example.com",
      email_verified: false,
    });
  });

  test.each([
    { scopes: ["openid"], names: [] },
    { scopes: [], names: [] },
    { scopes: ["email"], names: ["email", "email_verified"] },
    { scopes: ["phone"], names: ["phone_number", "phone_number_verified"] },
    { scopes: ["address"], names: ["address"] },
    { scopes: ["constructor", "__proto__", "reports:read"], names: [] },
  ])("scopes $scopes", ({ scopes, names }) => {
    expect(Object.keys(userClaims(ada, { scopes }))).toEqual([...names]);
  });

  test("single claims by the claims parameter; unknown ones are ignored", () => {
    const claims = { name: null, "name#de": null, email: { essential: true }, toString: null };
    expect(userClaims(ada, { scopes: ["openid"], claims })).toEqual({
      name: "Ada Lovelace",
      email: "ada@example.com",
    });
  });

  test.each([
    { metadata: { nickname: "a", standard_claims: { nickname: "b" } }, nickname: "b" },
    { metadata: { nickname: "a" }, nickname: "a" },
    { metadata: { nickname: "" }, nickname: undefined },
    { metadata: { nickname: 7 }, nickname: undefined },
    { metadata: { standard_claims: ["nickname"] }, nickname: undefined },
  ])("nickname of $metadata", ({ metadata, nickname }) => {
    expect(userClaims({ ...ada, metadata }, { scopes: ["profile"] }).nickname).toBe(nickname!);
  });

  test.each([
    ["1815-12-10", true],
    ["0000-12-10", true],
    ["1815", true],
    ["1815-12", false],
    ["1815-13-10", false],
    ["10.12.1815", false],
  ])("birthdate %s: %p", (birthdate, isGood) => {
    const claims = userClaims({ ...ada, metadata: { birthdate } }, { scopes: ["profile"] });
    expect("birthdate" in claims).toBe(isGood);
  });

  test("an address is its text members", () => {
    const address = { locality: "London", region: "", postal_code: 5, planet: "Earth" };
    const of = (value: unknown) =>
      userClaims({ ...ada, metadata: { address: value } }, { scopes: ["address"] });
    expect(of(address)).toEqual({ address: { locality: "London" } });
    for (const none of ["London", [], { planet: "Earth" }, null]) expect(of(none)).toEqual({});
  });
});

test("03 §7.5: acr", () => {
  const at = new Date(0);
  expect(acrOf({ amr: ["pwd"], mfaAt: null })).toBe("urn:qeet:acr:1fa");
  expect(acrOf({ amr: ["pwd", "otp", "mfa"], mfaAt: at })).toBe("urn:qeet:acr:2fa");
  expect(acrOf({ amr: ["pwd", "hwk", "mfa"], mfaAt: at })).toBe("urn:qeet:acr:2fa");
  expect(acrOf({ amr: ["hwk"], mfaAt: at })).toBe("phr");
  expect(acrOf({ amr: [], mfaAt: null })).toBe("urn:qeet:acr:1fa");
});

test("sid: the same for a session and a client, another for any other, RFC 9562 version 8", () => {
  const derivedKeys = createDerivedKeys({ jwtSecret: null, rootKey: new Uint8Array(32) });
  const [a, b] = ["a".repeat(36), "b".repeat(36)];
  const sid = sidOf({ derivedKeys }, a, b);
  expect(sid).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(sidOf({ derivedKeys }, a, b)).toBe(sid);
  expect(sidOf({ derivedKeys }, b, a)).not.toBe(sid);
  const others = createDerivedKeys({ jwtSecret: "another", rootKey: new Uint8Array(32) });
  expect(sidOf({ derivedKeys: others }, a, b)).not.toBe(sid);
});
