"""The service: cards and answers over HTTP, for programs of a hospital. It translates; it decides nothing."""
