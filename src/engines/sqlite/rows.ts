/** Of the table of events, in the order that an `EventRow` has. */
export const STORED_COLUMNS = `position, id, type, version, kind, timestamp, recorded_at, bucket, stream, revision, "key", source,
  correlation_id, causation_id, data, metadata, tenant, subject, tags, encoding, expires_at`

/** The same as an `EventRow` has them. */
export const EVENT_COLUMNS = STORED_COLUMNS.replace('tenant', "nullif(tenant, '')")
