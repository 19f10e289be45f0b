"""The HTTP API: versions, problems, pages, one module for each group of resources. Where they are: ``urls``."""
