/** Rows of a statement; `affected` counts what it changed. */
export type SqlRows<Row> = Row[] & { readonly affected: number }

/** The user's SQL inside a transaction of the store. Only this may be awaited while it is open. */
export type SqlTag = <Row = Record<string, unknown>>(
  parts: TemplateStringsArray,
  ...values: readonly unknown[]
) => Promise<SqlRows<Row>>
