/** What goes over the wire, as `docs/api.md` has it. Times are ISO 8601 in UTC; more keys may come. */
export {};
