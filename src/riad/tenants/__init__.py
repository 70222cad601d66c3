"""Who may ask: organisations, their projects, and keys that carry a purpose, ceilings and limits."""
