/** The one catalogue of names (contract 08 §9): an unknown one does not compile. Later domains add theirs here. */
export const AUDIT_ACTIONS = [
  "apikey.created",
  "apikey.revoked",
  "apikey.rotated",
  "audit.verify_failed",
  "auth.account_locked",
  "auth.logged_out",
  "auth.login_failed",
  "auth.login_succeeded",
  "auth.magic_link_consumed",
  "auth.magic_link_sent",
  "auth.password_reset_confirmed",
  "auth.password_reset_requested",
  "auth.signed_up",
  "auth.sso_session_created",
  "auth.sso_session_ended",
  "auth.token_reuse_detected",
  "key.rotated",
  "oauth.backchannel_logout_failed",
  "oauth.consent_denied",
  "oauth.consent_granted",
  "oauth.device_authorized",
  "oauth.device_denied",
  "oauth.device_revoked",
  "oauth.grant_revoked",
  "oauth.token_issued",
  "oauth.token_revoked",
  "oidc.client_deleted",
  "oidc.client_registered",
  "oidc.client_secret_rotated",
  "oidc.client_updated",
  "oidc.code_reuse_detected",
  "oidc.refresh_reuse_detected",
  "oidc.signing_key_rotated",
  "outbox.event_replayed",
  "role.assigned",
  "role.created",
  "role.deleted",
  "role.permission_granted",
  "role.permission_revoked",
  "role.unassigned",
  "role.updated",
  "service_principal.created",
  "service_principal.disabled",
  "service_principal.secret_rotated",
  "session.revoked",
  "system.shutdown",
  "system.startup",
  "tenant.created",
  "tenant.deleted",
  "tenant.updated",
  "user.created",
  "user.deleted",
  "user.email_changed",
  "user.email_verified",
  "user.password_set",
  "user.phone_verified",
  "user.purged",
  "user.restored",
  "user.updated",
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** Event type of the outbox, and the topic it belongs to. */
export const EVENT_TOPICS = {
  "auth.session.revoked_for_reuse": "auth",
  "oauth.grant.revoked_for_reuse": "auth",
  "role.assigned": "role.events",
  "role.revoked": "role.events",
  "session.created": "session.events",
  "session.revoked": "session.events",
  "tenant.created": "tenant.events",
  "tenant.deleted": "tenant.events",
  "tenant.updated": "tenant.events",
  "user.created": "user.events",
  "user.deleted": "user.events",
  "user.email_verified": "user.events",
  "user.password.changed": "user.events",
  "user.phone_verified": "user.events",
  "user.restored": "user.events",
  "user.sign_in_failed": "user.events",
  "user.signed_in": "user.events",
  "user.signed_out": "user.events",
  "user.updated": "user.events",
} as const;
export type EventType = keyof typeof EVENT_TOPICS;

/** Why a session ended (contract 01 §16). */
export type RevocationReason =
  | "logout"
  | "user"
  | "admin"
  | "password_reset"
  | "password_changed"
  | "user_suspended"
  | "user_deleted"
  | "tenant_deleted"
  | "tenant_suspended"
  | "membership_removed"
  | "session_max_age"
  | "refresh_reuse"
  | "first_proof"
  | "policy";
