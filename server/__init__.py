"""The store, its API, its pages, its rules."""
