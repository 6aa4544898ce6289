"""The end of a tenant: requested, cooled off or cancelled, erased, and certified."""
