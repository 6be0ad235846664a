"""A PACS on this machine with synthetic studies, and both viewers: ``make label-demo``."""
