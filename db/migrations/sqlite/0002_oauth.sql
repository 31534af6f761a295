CREATE TABLE `oidc_client_secrets` (
	`id` text PRIMARY KEY NOT NULL,
	`client_row_id` text NOT NULL,
	`secret_hash` text NOT NULL,
	`expires_at` integer,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`client_row_id`) REFERENCES `oidc_clients`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `oidc_client_secrets_client_row_id_idx` ON `oidc_client_secrets` (`client_row_id`);--> statement-breakpoint
CREATE TABLE `oidc_clients` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`client_id` text NOT NULL,
	`type` text NOT NULL,
	`name` text NOT NULL,
	`redirect_uris` text NOT NULL,
	`post_logout_uris` text NOT NULL,
	`grant_types` text NOT NULL,
	`scopes` text NOT NULL,
	`registration` text NOT NULL,
	`registration_token_hash` text,
	`require_pkce` integer NOT NULL,
	`require_par` integer DEFAULT false NOT NULL,
	`id_token_alg` text NOT NULL,
	`token_endpoint_auth_method` text,
	`require_membership` integer NOT NULL,
	`self_registration` integer DEFAULT false NOT NULL,
	`logout_requires_confirmation` integer NOT NULL,
	`dpop_bound_access_tokens` integer DEFAULT false NOT NULL,
	`refresh_reuse_leeway_seconds` integer NOT NULL,
	`jwks` text,
	`jwks_uri` text,
	`backchannel_logout_uri` text,
	`backchannel_logout_session_required` integer DEFAULT false NOT NULL,
	`client_uri` text,
	`logo_uri` text,
	`policy_uri` text,
	`tos_uri` text,
	`created_by` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`deleted_at` integer,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`created_by`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE UNIQUE INDEX `oidc_clients_client_id_key` ON `oidc_clients` (`client_id`);--> statement-breakpoint
CREATE INDEX `oidc_clients_tenant_id_created_at_id_idx` ON `oidc_clients` (`tenant_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `oidc_clients_created_by_idx` ON `oidc_clients` (`created_by`);--> statement-breakpoint
CREATE INDEX `oidc_clients_deleted_at_idx` ON `oidc_clients` (`deleted_at`);--> statement-breakpoint
CREATE TABLE `presented_tokens` (
	`key` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `presented_tokens_expires_at_idx` ON `presented_tokens` (`expires_at`);--> statement-breakpoint
CREATE TABLE `service_principals` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`name` text NOT NULL,
	`name_key` text NOT NULL,
	`description` text,
	`secret_hash` text NOT NULL,
	`scopes` text NOT NULL,
	`created_by` text,
	`created_at` integer NOT NULL,
	`last_used_at` integer,
	`disabled_at` integer,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`created_by`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE set null
);
--> statement-breakpoint
CREATE UNIQUE INDEX `service_principals_tenant_id_name_key_key` ON `service_principals` (`tenant_id`,`name_key`);--> statement-breakpoint
CREATE INDEX `service_principals_tenant_id_created_at_id_idx` ON `service_principals` (`tenant_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `service_principals_created_by_idx` ON `service_principals` (`created_by`);--> statement-breakpoint
CREATE TABLE `authorization_requests` (
	`request_hash` text PRIMARY KEY NOT NULL,
	`client_row_id` text NOT NULL,
	`parameters` text NOT NULL,
	`browser_hash` text,
	`login_session_id` text,
	`selected_at` integer,
	`decided_at` integer,
	`approved` integer,
	`consumed_at` integer,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`client_row_id`) REFERENCES `oidc_clients`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `authorization_requests_login_session_id_idx` ON `authorization_requests` (`login_session_id`);--> statement-breakpoint
CREATE INDEX `authorization_requests_client_row_id_idx` ON `authorization_requests` (`client_row_id`);--> statement-breakpoint
CREATE INDEX `authorization_requests_expires_at_idx` ON `authorization_requests` (`expires_at`);--> statement-breakpoint
CREATE TABLE `backchannel_logouts` (
	`id` text PRIMARY KEY NOT NULL,
	`client_row_id` text NOT NULL,
	`user_id` text NOT NULL,
	`sid` text NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`due_at` integer NOT NULL,
	`last_error` text,
	`finished_at` integer,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`client_row_id`) REFERENCES `oidc_clients`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `backchannel_logouts_due_at_idx` ON `backchannel_logouts` (`finished_at`,`due_at`);--> statement-breakpoint
CREATE INDEX `backchannel_logouts_client_row_id_idx` ON `backchannel_logouts` (`client_row_id`);--> statement-breakpoint
CREATE INDEX `backchannel_logouts_user_id_idx` ON `backchannel_logouts` (`user_id`);--> statement-breakpoint
CREATE TABLE `device_authorizations` (
	`id` text PRIMARY KEY NOT NULL,
	`client_row_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`device_code_hash` text NOT NULL,
	`user_code` text NOT NULL,
	`scopes` text NOT NULL,
	`resources` text NOT NULL,
	`status` text NOT NULL,
	`user_id` text,
	`login_session_id` text,
	`sid` text,
	`auth_time` integer,
	`amr` text,
	`acr` text,
	`interval_seconds` integer NOT NULL,
	`last_polled_at` integer,
	`consumed_at` integer,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`client_row_id`) REFERENCES `oidc_clients`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `device_authorizations_device_code_hash_key` ON `device_authorizations` (`device_code_hash`);--> statement-breakpoint
CREATE UNIQUE INDEX `device_authorizations_user_code_key` ON `device_authorizations` (`user_code`);--> statement-breakpoint
CREATE INDEX `device_authorizations_tenant_id_created_at_id_idx` ON `device_authorizations` (`tenant_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `device_authorizations_client_row_id_idx` ON `device_authorizations` (`client_row_id`);--> statement-breakpoint
CREATE INDEX `device_authorizations_user_id_idx` ON `device_authorizations` (`user_id`);--> statement-breakpoint
CREATE INDEX `device_authorizations_expires_at_idx` ON `device_authorizations` (`expires_at`);--> statement-breakpoint
CREATE TABLE `oauth_grants` (
	`id` text PRIMARY KEY NOT NULL,
	`client_row_id` text NOT NULL,
	`user_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`grant_type` text NOT NULL,
	`code_hash` text,
	`scopes` text NOT NULL,
	`nonce` text,
	`claims` text,
	`resources` text NOT NULL,
	`dpop_jkt` text,
	`login_session_id` text,
	`sid` text NOT NULL,
	`auth_time` integer NOT NULL,
	`amr` text NOT NULL,
	`acr` text NOT NULL,
	`offline` integer NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`ends_at` integer NOT NULL,
	`revoked_at` integer,
	`revoked_reason` text,
	FOREIGN KEY (`client_row_id`) REFERENCES `oidc_clients`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `oauth_grants_code_hash_key` ON `oauth_grants` (`code_hash`);--> statement-breakpoint
CREATE INDEX `oauth_grants_tenant_id_created_at_id_idx` ON `oauth_grants` (`tenant_id`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `oauth_grants_user_id_client_row_id_idx` ON `oauth_grants` (`user_id`,`client_row_id`);--> statement-breakpoint
CREATE INDEX `oauth_grants_client_row_id_created_at_idx` ON `oauth_grants` (`client_row_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `oauth_grants_login_session_id_idx` ON `oauth_grants` (`login_session_id`);--> statement-breakpoint
CREATE INDEX `oauth_grants_sid_idx` ON `oauth_grants` (`sid`);--> statement-breakpoint
CREATE INDEX `oauth_grants_expires_at_idx` ON `oauth_grants` (`expires_at`);--> statement-breakpoint
CREATE TABLE `oidc_authorization_codes` (
	`code_hash` text PRIMARY KEY NOT NULL,
	`client_row_id` text NOT NULL,
	`user_id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`redirect_uri` text NOT NULL,
	`scopes` text NOT NULL,
	`nonce` text,
	`code_challenge` text,
	`dpop_jkt` text,
	`claims` text,
	`resources` text NOT NULL,
	`login_session_id` text NOT NULL,
	`sid` text NOT NULL,
	`auth_time` integer NOT NULL,
	`amr` text NOT NULL,
	`acr` text NOT NULL,
	`failed_verifiers` integer DEFAULT 0 NOT NULL,
	`expires_at` integer NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`client_row_id`) REFERENCES `oidc_clients`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`tenant_id`) REFERENCES `tenants`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `oidc_authorization_codes_expires_at_idx` ON `oidc_authorization_codes` (`expires_at`);--> statement-breakpoint
CREATE INDEX `oidc_authorization_codes_user_id_idx` ON `oidc_authorization_codes` (`user_id`);--> statement-breakpoint
CREATE TABLE `oidc_consents` (
	`user_id` text NOT NULL,
	`client_row_id` text NOT NULL,
	`scopes` text NOT NULL,
	`claims` text NOT NULL,
	`granted_at` integer NOT NULL,
	PRIMARY KEY(`user_id`, `client_row_id`),
	FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`client_row_id`) REFERENCES `oidc_clients`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `oidc_consents_client_row_id_idx` ON `oidc_consents` (`client_row_id`);--> statement-breakpoint
CREATE TABLE `oidc_refresh_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`grant_id` text NOT NULL,
	`token_hash` text NOT NULL,
	`parent_id` text,
	`has_siblings` integer DEFAULT false NOT NULL,
	`issued_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer,
	`superseded_at` integer,
	FOREIGN KEY (`grant_id`) REFERENCES `oauth_grants`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `oidc_refresh_tokens_token_hash_key` ON `oidc_refresh_tokens` (`token_hash`);--> statement-breakpoint
CREATE INDEX `oidc_refresh_tokens_grant_id_idx` ON `oidc_refresh_tokens` (`grant_id`);--> statement-breakpoint
CREATE INDEX `oidc_refresh_tokens_parent_id_idx` ON `oidc_refresh_tokens` (`parent_id`);--> statement-breakpoint
CREATE INDEX `oidc_refresh_tokens_expires_at_idx` ON `oidc_refresh_tokens` (`expires_at`);--> statement-breakpoint
CREATE TABLE `pushed_authorization_requests` (
	`request_hash` text PRIMARY KEY NOT NULL,
	`client_row_id` text NOT NULL,
	`parameters` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	FOREIGN KEY (`client_row_id`) REFERENCES `oidc_clients`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `pushed_authorization_requests_client_row_id_idx` ON `pushed_authorization_requests` (`client_row_id`);--> statement-breakpoint
CREATE INDEX `pushed_authorization_requests_expires_at_idx` ON `pushed_authorization_requests` (`expires_at`);--> statement-breakpoint
CREATE TABLE `revoked_access_tokens` (
	`jti` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `revoked_access_tokens_expires_at_idx` ON `revoked_access_tokens` (`expires_at`);