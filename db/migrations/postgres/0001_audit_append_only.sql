-- The audit log is append only: nothing is deleted, and only erasure (contract 08 §2.4) changes a row, once.
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append only', TG_TABLE_NAME; END $$;
--> statement-breakpoint
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
--> statement-breakpoint
CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
--> statement-breakpoint
CREATE TRIGGER audit_events_erasure_only BEFORE UPDATE ON audit_events FOR EACH ROW
WHEN (NEW.erased_at IS NULL OR OLD.erased_at IS NOT NULL
  OR ROW(NEW.id, NEW.log_id, NEW.seq, NEW.chain_version, NEW.tenant_id, NEW.actor_user_id, NEW.actor_type, NEW.action,
    NEW.resource_type, NEW.resource_id, NEW.request_id, NEW.created_at, NEW.prev_hash, NEW.row_hash, NEW.seals)
  IS DISTINCT FROM ROW(OLD.id, OLD.log_id, OLD.seq, OLD.chain_version, OLD.tenant_id, OLD.actor_user_id, OLD.actor_type,
    OLD.action, OLD.resource_type, OLD.resource_id, OLD.request_id, OLD.created_at, OLD.prev_hash, OLD.row_hash, OLD.seals)
  OR NEW.salt IS NOT NULL OR NEW.ip IS NOT NULL OR NEW.user_agent IS NOT NULL)
EXECUTE FUNCTION refuse_audit_change();
--> statement-breakpoint
CREATE TRIGGER audit_nodes_no_change BEFORE UPDATE OR DELETE ON audit_nodes
FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
