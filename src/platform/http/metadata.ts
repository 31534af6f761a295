import { invalidField } from "../errors.ts";

const MAX_METADATA_BYTES = 64 * 1024;

/** Contract 01 §11: an object that others store here is bounded as a whole. Throws 422. */
export function assertMetadata(metadata: object | undefined, field = "metadata"): void {
  if (metadata === undefined) return;
  if (Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES)
    throw invalidField(field, "too_long", `${field} is larger than 64 KiB`);
}
