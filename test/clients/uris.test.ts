import { describe, expect, test } from "bun:test";
import { faultOfFetched, faultOfLink, faultOfRedirectUri } from "../../src/modules/clients/uris.ts";

describe("03 §5: redirect URIs", () => {
  test.each([
    "https://app.example/callback",
    "https://app.example",
    "https://app.example/cb?tenant=1&x=%20",
    "HTTPS://App.Example:443/cb",
    "https://app.example:8443/cb;v=1",
    "https://[2001:db8::1]/cb",
    "http://localhost:3000/cb",
    "http://localhost",
    "http://127.0.0.1:8080/cb",
    "http://[::1]:8080/cb",
  ])("%s passes for any client", (uri) => {
    expect(faultOfRedirectUri(uri, { isPublic: false })).toBeUndefined();
    expect(faultOfRedirectUri(uri, { isPublic: true })).toBeUndefined();
  });

  test.each(["com.example.app:/callback", "com.example.app://cb", "com.example:cb"])(
    "RFC 8252 §7.1: %s passes for public clients",
    (uri) => {
      expect(faultOfRedirectUri(uri, { isPublic: true })).toBeUndefined();
      expect(faultOfRedirectUri(uri, { isPublic: false })).toContain("public clients only");
    },
  );

  test.each([
    "",
    "/callback",
    "//app.example/cb",
    "app.example/cb",
    "https:app.example",
    "https:/app.example/cb",
    "https://",
    "https:///cb",
    "https://app.example/cb#fragment",
    "https://app.example/cb#",
    "https://user@app.example/cb",
    "https://user:pass@app.example/cb",
    "https://app.example@evil.example/cb",
    "https://app.example\\@evil.example/cb",
    "https://*.example/cb",
    "https://app.example/*",
    "https://app.example/cb?x=*",
    "https://app.example /cb",
    " https://app.example/cb",
    "https://app.example/cb\n",
    "https://app.example/ä",
    "https://ä.example/cb",
    "https://app%2eexample/cb",
    "https://0x7f.1/cb",
    "http://evil",
    "http://app.example/cb",
    "http://localhost.evil.example/cb",
    "http://127.0.0.1.evil.example/cb",
    "http://127.1/cb",
    "http://10.0.0.1/cb",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "javascript.x:alert(1)//*",
    "data:text/html,x",
    "file:///etc/passwd",
    "ftp://app.example/",
    "myapp:/callback",
    "myapp://callback",
    ".app:/cb",
    "app.:/cb",
    `https://app.example/${"x".repeat(2048)}`,
  ])("%j is refused", (uri) => {
    expect(faultOfRedirectUri(uri, { isPublic: true })).toBeString();
    expect(faultOfRedirectUri(uri, { isPublic: false })).toBeString();
  });
});

describe("addresses that pages link to, and that are asked", () => {
  const dev = { env: "dev" } as const;
  const production = { env: "production" } as const;

  test("https anywhere; http and inner networks in development", () => {
    for (const uri of ["https://app.example/x", "https://app.example:8443/?a=1"]) {
      expect(faultOfLink(uri, production)).toBeUndefined();
      expect(faultOfFetched(uri, production)).toBeUndefined();
    }
    for (const uri of ["http://app.example/x", "http://127.0.0.1:9000/jwks", "http://web:80/"]) {
      expect(faultOfLink(uri, dev)).toBeUndefined();
      expect(faultOfFetched(uri, dev)).toBeUndefined();
      expect(faultOfLink(uri, production)).toBeString();
      expect(faultOfFetched(uri, production)).toBeString();
    }
  });

  test.each([
    "https://localhost/jwks",
    "https://keys.localhost/jwks",
    "https://intranet/jwks",
    "https://keys.internal/jwks",
    "https://keys.internal./jwks",
    "https://127.0.0.1/jwks",
    "https://10.1.2.3/jwks",
    "https://169.254.169.254/latest",
    "https://[::1]/jwks",
    "https://[fd00::1]/jwks",
    "https://[::ffff:10.0.0.1]/jwks",
  ])("outside of development %s is not asked", (uri) => {
    expect(faultOfFetched(uri, production)).toBeString();
  });

  test.each([
    "javascript:alert(1)",
    "data:text/html,x",
    "https://a@b.example/",
    "https://b.example/#f",
    "x",
  ])("%s is no link", (uri) => {
    expect(faultOfLink(uri, dev)).toBeString();
    expect(faultOfLink(uri, production)).toBeString();
  });
});
