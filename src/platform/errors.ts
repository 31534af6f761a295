/** Every error of the API: its status and its fixed sentence (contract 01 §2). An unknown code does not compile. */
export const ERRORS = {
  bad_request: [400, "invalid request"],
  unauthorized: [401, "authentication required"],
  forbidden: [403, "permission denied"],
  csrf_failed: [403, "cross-site request refused"],
  mfa_required: [403, "second factor required"],
  step_up_required: [403, "recent authentication required"],
  not_found: [404, "resource not found"],
  method_not_allowed: [405, "method not allowed"],
  conflict: [409, "resource conflict"],
  payload_too_large: [413, "request body too large"],
  unsupported_media_type: [415, "unsupported media type"],
  unprocessable: [422, "request could not be processed"],
  too_many_requests: [429, "too many requests"],
  internal: [500, "internal server error"],
  service_unavailable: [503, "service unavailable"],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type ErrorCode = keyof typeof ERRORS;

export interface FieldError {
  readonly field: string;
  readonly code:
    | "required"
    | "too_short"
    | "too_long"
    | "invalid_email"
    | "invalid_uuid"
    | "invalid_url"
    | "invalid_phone"
    | "not_allowed"
    | "invalid";
  readonly message: string;
}

interface Extra {
  readonly fields?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** An expected failure, safe to show to the caller. Anything else that is thrown becomes a bare 500. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly status: number;
  readonly fields: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: ErrorCode,
    /** One sentence for the caller. Never a secret, a query, or another tenant's data. */
    readonly detail?: string,
    extra: Extra = {},
  ) {
    super(detail ?? code, { cause: extra.cause });
    this.status = ERRORS[code][0];
    this.fields = extra.fields;
    this.headers = extra.headers ?? {};
  }
}

/** 422 about one member of the body or query: the sentence names the field and the fix. */
export const invalidField = (field: string, code: FieldError["code"], message: string): AppError =>
  new AppError("unprocessable", message, { fields: [{ field, code, message }] });

/** OAuth's own codes (RFC 6749 §4.1.2.1, §5.2 and its extensions), and the status where they are a body. */
export const OAUTH_ERRORS = {
  invalid_request: "bad_request",
  invalid_client: "unauthorized",
  invalid_grant: "bad_request",
  unauthorized_client: "bad_request",
  unsupported_grant_type: "bad_request",
  invalid_scope: "bad_request",
  access_denied: "bad_request",
  unsupported_response_type: "bad_request",
  /** OpenID Connect Core 1.0 §3.1.2.6. */
  login_required: "bad_request",
  consent_required: "bad_request",
  interaction_required: "bad_request",
  request_not_supported: "bad_request",
  request_uri_not_supported: "bad_request",
  registration_not_supported: "bad_request",
  /** OpenID Connect Core Error Code unmet_authentication_requirements 1.0. */
  unmet_authentication_requirements: "bad_request",
  /** RFC 8707 §2. */
  invalid_target: "bad_request",
  /** RFC 8628 §3.5. */
  authorization_pending: "bad_request",
  slow_down: "bad_request",
  expired_token: "bad_request",
  /** RFC 9449 §5. */
  invalid_dpop_proof: "bad_request",
  /** RFC 7591 §3.2.2. */
  invalid_redirect_uri: "bad_request",
  invalid_client_metadata: "bad_request",
  /** RFC 6750 §3.1. */
  invalid_token: "unauthorized",
  temporarily_unavailable: "too_many_requests",
} as const satisfies Record<string, ErrorCode>;

export type OAuthErrorCode = keyof typeof OAUTH_ERRORS;

/** A refusal in OAuth's words. `detail` is read by developers: ASCII, no quotes, no secret. */
export class OAuthError extends AppError {
  constructor(
    readonly error: OAuthErrorCode,
    detail: string,
    extra: Extra = {},
  ) {
    super(OAUTH_ERRORS[error], detail, {
      ...extra,
      // RFC 6749 §5.2: the scheme that the client used, which is Basic or none.
      headers: {
        ...(error === "invalid_client" && { "www-authenticate": 'Basic realm="qeet"' }),
        ...(error === "invalid_token" && {
          "www-authenticate": 'Bearer realm="qeet", error="invalid_token"',
        }),
        ...extra.headers,
      },
    });
  }
}
