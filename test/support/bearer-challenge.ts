/** `WWW-Authenticate` beside a 401 of a server with the tests' PUBLIC_URL (RFC 6750 §3, RFC 9728 §5.1). */
export const bearerChallenge = (error?: string, origin = "http://localhost:4000"): string =>
  [
    'Bearer realm="qeet-id"',
    ...(error === undefined ? [] : [`error="${error}"`]),
    `resource_metadata="${origin}/.well-known/oauth-protected-resource"`,
    'ApiKey realm="qeet-id"',
  ].join(", ");
