"""A witness: a small service, run by somebody else than the log's operator, that notices a second history."""
