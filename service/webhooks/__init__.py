"""Telling other services: endpoints, signed deliveries."""
