/** How a tenant looks on the pages that its clients' users see. */
export interface Design {
  /** Stands in the header and in the title. */
  readonly name: string;
  /** An https address; null: the first letter of the name. */
  readonly logoUrl: string | null;
  /** Address of ours with the tenant's colours; null: our own. */
  readonly stylesheetUrl: string | null;
}

/** The design of a tenant's pages. Tenants have a name and nothing else to show, so far. */
export const designOf = (tenant: { readonly name: string }): Design => ({
  name: tenant.name,
  logoUrl: null,
  stylesheetUrl: null,
});
