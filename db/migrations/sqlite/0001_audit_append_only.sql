-- The audit log is append only: nothing is deleted, and only erasure (contract 08 §2.4) changes a row, once.
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit_events is append only'); END;
--> statement-breakpoint
CREATE TRIGGER audit_events_erasure_only BEFORE UPDATE ON audit_events
WHEN NEW.erased_at IS NULL OR OLD.erased_at IS NOT NULL
  OR NEW.id IS NOT OLD.id OR NEW.log_id IS NOT OLD.log_id OR NEW.seq IS NOT OLD.seq
  OR NEW.chain_version IS NOT OLD.chain_version OR NEW.tenant_id IS NOT OLD.tenant_id
  OR NEW.actor_user_id IS NOT OLD.actor_user_id OR NEW.actor_type IS NOT OLD.actor_type
  OR NEW.action IS NOT OLD.action OR NEW.resource_type IS NOT OLD.resource_type
  OR NEW.resource_id IS NOT OLD.resource_id OR NEW.request_id IS NOT OLD.request_id
  OR NEW.created_at IS NOT OLD.created_at OR NEW.prev_hash IS NOT OLD.prev_hash
  OR NEW.row_hash IS NOT OLD.row_hash OR NEW.seals IS NOT OLD.seals
  OR NEW.salt IS NOT NULL OR NEW.ip IS NOT NULL OR NEW.user_agent IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'audit_events is append only'); END;
--> statement-breakpoint
CREATE TRIGGER audit_nodes_no_delete BEFORE DELETE ON audit_nodes
BEGIN SELECT RAISE(ABORT, 'audit_nodes is append only'); END;
--> statement-breakpoint
CREATE TRIGGER audit_nodes_no_update BEFORE UPDATE ON audit_nodes
BEGIN SELECT RAISE(ABORT, 'audit_nodes is append only'); END;
