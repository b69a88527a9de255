"""How shops and search engines write a catalog: one module a dialect, and the families their rows form."""
