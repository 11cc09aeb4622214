"""Queries: one class for each table."""
