CREATE TABLE "oidc_client_secrets" (
	"id" uuid PRIMARY KEY NOT NULL,
	"client_row_id" uuid NOT NULL,
	"secret_hash" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "oidc_clients" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"client_id" text NOT NULL,
	"type" text NOT NULL,
	"name" text NOT NULL,
	"redirect_uris" jsonb NOT NULL,
	"post_logout_uris" jsonb NOT NULL,
	"grant_types" jsonb NOT NULL,
	"scopes" jsonb NOT NULL,
	"registration" text NOT NULL,
	"registration_token_hash" text,
	"require_pkce" boolean NOT NULL,
	"require_par" boolean DEFAULT false NOT NULL,
	"id_token_alg" text NOT NULL,
	"token_endpoint_auth_method" text,
	"require_membership" boolean NOT NULL,
	"self_registration" boolean DEFAULT false NOT NULL,
	"logout_requires_confirmation" boolean NOT NULL,
	"dpop_bound_access_tokens" boolean DEFAULT false NOT NULL,
	"refresh_reuse_leeway_seconds" integer NOT NULL,
	"jwks" jsonb,
	"jwks_uri" text,
	"backchannel_logout_uri" text,
	"backchannel_logout_session_required" boolean DEFAULT false NOT NULL,
	"client_uri" text,
	"logo_uri" text,
	"policy_uri" text,
	"tos_uri" text,
	"created_by" uuid,
	"created_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone NOT NULL,
	"deleted_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "presented_tokens" (
	"key" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "service_principals" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"name" text NOT NULL,
	"name_key" text NOT NULL,
	"description" text,
	"secret_hash" text NOT NULL,
	"scopes" jsonb NOT NULL,
	"created_by" uuid,
	"created_at" timestamp (3) with time zone NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"disabled_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "authorization_requests" (
	"request_hash" text PRIMARY KEY NOT NULL,
	"client_row_id" uuid NOT NULL,
	"parameters" jsonb NOT NULL,
	"browser_hash" text,
	"login_session_id" uuid,
	"selected_at" timestamp (3) with time zone,
	"decided_at" timestamp (3) with time zone,
	"approved" boolean,
	"consumed_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "backchannel_logouts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"client_row_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"sid" uuid NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL,
	"last_error" text,
	"finished_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "device_authorizations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"client_row_id" uuid NOT NULL,
	"tenant_id" uuid NOT NULL,
	"device_code_hash" text NOT NULL,
	"user_code" text NOT NULL,
	"scopes" jsonb NOT NULL,
	"resources" jsonb NOT NULL,
	"status" text NOT NULL,
	"user_id" uuid,
	"login_session_id" uuid,
	"sid" uuid,
	"auth_time" timestamp (3) with time zone,
	"amr" jsonb,
	"acr" text,
	"interval_seconds" integer NOT NULL,
	"last_polled_at" timestamp (3) with time zone,
	"consumed_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "oauth_grants" (
	"id" uuid PRIMARY KEY NOT NULL,
	"client_row_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"tenant_id" uuid NOT NULL,
	"grant_type" text NOT NULL,
	"code_hash" text,
	"scopes" jsonb NOT NULL,
	"nonce" text,
	"claims" jsonb,
	"resources" jsonb NOT NULL,
	"dpop_jkt" text,
	"login_session_id" uuid,
	"sid" uuid NOT NULL,
	"auth_time" timestamp (3) with time zone NOT NULL,
	"amr" jsonb NOT NULL,
	"acr" text NOT NULL,
	"offline" boolean NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"revoked_reason" text
);
--> statement-breakpoint
CREATE TABLE "oidc_authorization_codes" (
	"code_hash" text PRIMARY KEY NOT NULL,
	"client_row_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"tenant_id" uuid NOT NULL,
	"redirect_uri" text NOT NULL,
	"scopes" jsonb NOT NULL,
	"nonce" text,
	"code_challenge" text,
	"dpop_jkt" text,
	"claims" jsonb,
	"resources" jsonb NOT NULL,
	"login_session_id" uuid NOT NULL,
	"sid" uuid NOT NULL,
	"auth_time" timestamp (3) with time zone NOT NULL,
	"amr" jsonb NOT NULL,
	"acr" text NOT NULL,
	"failed_verifiers" integer DEFAULT 0 NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "oidc_consents" (
	"user_id" uuid NOT NULL,
	"client_row_id" uuid NOT NULL,
	"scopes" jsonb NOT NULL,
	"claims" jsonb NOT NULL,
	"granted_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "oidc_consents_pkey" PRIMARY KEY("user_id","client_row_id")
);
--> statement-breakpoint
CREATE TABLE "oidc_refresh_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"grant_id" uuid NOT NULL,
	"token_hash" text NOT NULL,
	"parent_id" uuid,
	"has_siblings" boolean DEFAULT false NOT NULL,
	"issued_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"used_at" timestamp (3) with time zone,
	"superseded_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "pushed_authorization_requests" (
	"request_hash" text PRIMARY KEY NOT NULL,
	"client_row_id" uuid NOT NULL,
	"parameters" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "revoked_access_tokens" (
	"jti" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "oidc_client_secrets" ADD CONSTRAINT "oidc_client_secrets_client_row_id_oidc_clients_id_fk" FOREIGN KEY ("client_row_id") REFERENCES "public"."oidc_clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oidc_clients" ADD CONSTRAINT "oidc_clients_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oidc_clients" ADD CONSTRAINT "oidc_clients_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "service_principals" ADD CONSTRAINT "service_principals_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "service_principals" ADD CONSTRAINT "service_principals_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "authorization_requests" ADD CONSTRAINT "authorization_requests_client_row_id_oidc_clients_id_fk" FOREIGN KEY ("client_row_id") REFERENCES "public"."oidc_clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backchannel_logouts" ADD CONSTRAINT "backchannel_logouts_client_row_id_oidc_clients_id_fk" FOREIGN KEY ("client_row_id") REFERENCES "public"."oidc_clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "backchannel_logouts" ADD CONSTRAINT "backchannel_logouts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "device_authorizations" ADD CONSTRAINT "device_authorizations_client_row_id_oidc_clients_id_fk" FOREIGN KEY ("client_row_id") REFERENCES "public"."oidc_clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "device_authorizations" ADD CONSTRAINT "device_authorizations_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "device_authorizations" ADD CONSTRAINT "device_authorizations_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oauth_grants" ADD CONSTRAINT "oauth_grants_client_row_id_oidc_clients_id_fk" FOREIGN KEY ("client_row_id") REFERENCES "public"."oidc_clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oauth_grants" ADD CONSTRAINT "oauth_grants_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oauth_grants" ADD CONSTRAINT "oauth_grants_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oidc_authorization_codes" ADD CONSTRAINT "oidc_authorization_codes_client_row_id_oidc_clients_id_fk" FOREIGN KEY ("client_row_id") REFERENCES "public"."oidc_clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oidc_authorization_codes" ADD CONSTRAINT "oidc_authorization_codes_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oidc_authorization_codes" ADD CONSTRAINT "oidc_authorization_codes_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oidc_consents" ADD CONSTRAINT "oidc_consents_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oidc_consents" ADD CONSTRAINT "oidc_consents_client_row_id_oidc_clients_id_fk" FOREIGN KEY ("client_row_id") REFERENCES "public"."oidc_clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "oidc_refresh_tokens" ADD CONSTRAINT "oidc_refresh_tokens_grant_id_oauth_grants_id_fk" FOREIGN KEY ("grant_id") REFERENCES "public"."oauth_grants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pushed_authorization_requests" ADD CONSTRAINT "pushed_authorization_requests_client_row_id_oidc_clients_id_fk" FOREIGN KEY ("client_row_id") REFERENCES "public"."oidc_clients"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "oidc_client_secrets_client_row_id_idx" ON "oidc_client_secrets" USING btree ("client_row_id");--> statement-breakpoint
CREATE UNIQUE INDEX "oidc_clients_client_id_key" ON "oidc_clients" USING btree ("client_id");--> statement-breakpoint
CREATE INDEX "oidc_clients_tenant_id_created_at_id_idx" ON "oidc_clients" USING btree ("tenant_id","created_at","id");--> statement-breakpoint
CREATE INDEX "oidc_clients_created_by_idx" ON "oidc_clients" USING btree ("created_by");--> statement-breakpoint
CREATE INDEX "oidc_clients_deleted_at_idx" ON "oidc_clients" USING btree ("deleted_at");--> statement-breakpoint
CREATE INDEX "presented_tokens_expires_at_idx" ON "presented_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "service_principals_tenant_id_name_key_key" ON "service_principals" USING btree ("tenant_id","name_key");--> statement-breakpoint
CREATE INDEX "service_principals_tenant_id_created_at_id_idx" ON "service_principals" USING btree ("tenant_id","created_at","id");--> statement-breakpoint
CREATE INDEX "service_principals_created_by_idx" ON "service_principals" USING btree ("created_by");--> statement-breakpoint
CREATE INDEX "authorization_requests_login_session_id_idx" ON "authorization_requests" USING btree ("login_session_id");--> statement-breakpoint
CREATE INDEX "authorization_requests_client_row_id_idx" ON "authorization_requests" USING btree ("client_row_id");--> statement-breakpoint
CREATE INDEX "authorization_requests_expires_at_idx" ON "authorization_requests" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "backchannel_logouts_due_at_idx" ON "backchannel_logouts" USING btree ("finished_at","due_at");--> statement-breakpoint
CREATE INDEX "backchannel_logouts_client_row_id_idx" ON "backchannel_logouts" USING btree ("client_row_id");--> statement-breakpoint
CREATE INDEX "backchannel_logouts_user_id_idx" ON "backchannel_logouts" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "device_authorizations_device_code_hash_key" ON "device_authorizations" USING btree ("device_code_hash");--> statement-breakpoint
CREATE UNIQUE INDEX "device_authorizations_user_code_key" ON "device_authorizations" USING btree ("user_code");--> statement-breakpoint
CREATE INDEX "device_authorizations_tenant_id_created_at_id_idx" ON "device_authorizations" USING btree ("tenant_id","created_at","id");--> statement-breakpoint
CREATE INDEX "device_authorizations_client_row_id_idx" ON "device_authorizations" USING btree ("client_row_id");--> statement-breakpoint
CREATE INDEX "device_authorizations_user_id_idx" ON "device_authorizations" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "device_authorizations_expires_at_idx" ON "device_authorizations" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "oauth_grants_code_hash_key" ON "oauth_grants" USING btree ("code_hash");--> statement-breakpoint
CREATE INDEX "oauth_grants_tenant_id_created_at_id_idx" ON "oauth_grants" USING btree ("tenant_id","created_at","id");--> statement-breakpoint
CREATE INDEX "oauth_grants_user_id_client_row_id_idx" ON "oauth_grants" USING btree ("user_id","client_row_id");--> statement-breakpoint
CREATE INDEX "oauth_grants_client_row_id_created_at_idx" ON "oauth_grants" USING btree ("client_row_id","created_at");--> statement-breakpoint
CREATE INDEX "oauth_grants_login_session_id_idx" ON "oauth_grants" USING btree ("login_session_id");--> statement-breakpoint
CREATE INDEX "oauth_grants_sid_idx" ON "oauth_grants" USING btree ("sid");--> statement-breakpoint
CREATE INDEX "oauth_grants_expires_at_idx" ON "oauth_grants" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "oidc_authorization_codes_expires_at_idx" ON "oidc_authorization_codes" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "oidc_authorization_codes_user_id_idx" ON "oidc_authorization_codes" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "oidc_consents_client_row_id_idx" ON "oidc_consents" USING btree ("client_row_id");--> statement-breakpoint
CREATE UNIQUE INDEX "oidc_refresh_tokens_token_hash_key" ON "oidc_refresh_tokens" USING btree ("token_hash");--> statement-breakpoint
CREATE INDEX "oidc_refresh_tokens_grant_id_idx" ON "oidc_refresh_tokens" USING btree ("grant_id");--> statement-breakpoint
CREATE INDEX "oidc_refresh_tokens_parent_id_idx" ON "oidc_refresh_tokens" USING btree ("parent_id");--> statement-breakpoint
CREATE INDEX "oidc_refresh_tokens_expires_at_idx" ON "oidc_refresh_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "pushed_authorization_requests_client_row_id_idx" ON "pushed_authorization_requests" USING btree ("client_row_id");--> statement-breakpoint
CREATE INDEX "pushed_authorization_requests_expires_at_idx" ON "pushed_authorization_requests" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "revoked_access_tokens_expires_at_idx" ON "revoked_access_tokens" USING btree ("expires_at");