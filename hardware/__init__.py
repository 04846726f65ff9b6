"""The hardware as data, and what is made of it: drawings, netlists, cases, tables. See hardware/README.md."""
