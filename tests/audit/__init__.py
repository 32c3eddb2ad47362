"""What browsers, search engines and the W3C's checker say of the site: `make audit` (docs/audit.md)."""
